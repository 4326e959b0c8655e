// @ts-check
import { size } from './words.js';

/** @typedef {{ id: number, title: string | null, image: string | null, url: string | null, mimetype: string, size: number, image_width: number | null, image_height: number | null, image_thumbnail: { url: string } | null }} Media */
/** @typedef {(path: string, init?: RequestInit) => Promise<Response>} Authorized */

const PAGE = 20;
/** A thumbnail is made in the background, and there within a second or so. */
const THUMBNAIL_MS = 1500;

/** The list of what is there. */
export class Library {
  #list = /** @type {HTMLElement} */ (document.getElementById('library'));
  #empty = /** @type {HTMLElement} */ (document.getElementById('empty'));
  #more = /** @type {HTMLButtonElement} */ (document.getElementById('more'));
  #fetch;

  /** @param {Authorized} authorized */
  constructor(authorized) {
    this.#fetch = authorized;
    this.#more.onclick = () => void this.#load();
  }

  async reload() {
    this.#list.replaceChildren();
    await this.#load();
  }

  async #load() {
    const response = await this.#fetch(`media/?limit=${PAGE}&offset=${this.#list.children.length}`);
    const page = response.ok ? await response.json() : { results: [], next: null };
    for (const media of page.results) this.#list.append(this.#row(media));
    this.#more.hidden = page.next === null;
    this.#empty.hidden = this.#list.children.length > 0;
  }

  /** @param {Media} media */
  #row(media) {
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById('media-row'));
    const row = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
    const part = (/** @type {string} */ name) => /** @type {any} */ (row.querySelector(name));
    const name = media.title ?? `${media.mimetype} ${media.id}`;
    const url = media.url ?? media.image ?? '';
    part('.picture').href = url;
    part('.picture').setAttribute('aria-label', `Open ${name}`);
    part('.name').textContent = name;
    part('.detail').textContent = [
      size(media.size),
      media.mimetype,
      media.image_width && `${media.image_width} × ${media.image_height}`,
    ]
      .filter(Boolean)
      .join(' · ');
    this.#picture(part('img'), media);
    part('.copy').onclick = async () => {
      await navigator.clipboard.writeText(url);
      part('.copy').textContent = 'Copied';
    };
    part('.delete').onclick = async () => {
      const gone = await this.#fetch(`media/${media.id}/`, { method: 'DELETE' });
      if (gone.ok || gone.status === 404) row.remove();
      this.#empty.hidden = this.#list.children.length > 0;
    };
    return row;
  }

  /** @param {HTMLImageElement} image @param {Media} media */
  #picture(image, media) {
    if (media.image === null) {
      // What a PDF looks like is for its viewer.
      return image.replaceWith(media.url?.split('?')[0]?.split('.').pop()?.toUpperCase() ?? '');
    }
    image.src = media.image_thumbnail?.url ?? media.image;
    if (media.image_thumbnail) return;
    setTimeout(async () => {
      const again = await this.#fetch(`media/${media.id}/`);
      const { image_thumbnail } = again.ok ? await again.json() : {};
      if (image_thumbnail) image.src = image_thumbnail.url;
    }, THUMBNAIL_MS);
  }
}
