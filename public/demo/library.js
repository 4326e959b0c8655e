// @ts-check
import { authorized } from './account.js';
import { announce, element, nameButtons, outcome, removeRow, rescueFocus, rowOf } from './page.js';
import { watch } from './watch.js';
import { size } from './words.js';

/**
 * @typedef {{ id: number, title: string | null, image: string | null, url: string | null, mimetype: string, size: number, image_width: number | null, image_height: number | null, image_thumbnail: { url: string } | null }} Media
 */

const PAGE = 20;
/** Thumbnails are made in the background. If the upload is not known, the page has to poll. */
const THUMBNAIL_MS = 1500;
const THUMBNAIL_TRIES = 5;
const CONFIRM_MS = 5000;

/** The list of finished files, with one row for each. */
export class Library {
  /** @type {Map<number, { media: Media, row: HTMLElement }>} */
  #shown = new Map();
  #list = element('library');
  #empty = element('empty');
  #more = element('more');
  #message = element('library-message');
  /** Responses to requests from before a reload are ignored; the user may have changed. */
  #turn = 0;
  #isLoading = false;

  constructor() {
    this.#more.onclick = () => this.#isLoading || void this.#load();
  }

  /** Starts over, for another user. */
  async reload() {
    this.#turn += 1;
    this.#shown.clear();
    this.#list.replaceChildren();
    await this.#load();
  }

  /** Shows what has just been uploaded, first. @param {Media} media @param {string} [uploadId] */
  add(media, uploadId) {
    if (this.#shown.has(media.id)) return;
    this.#list.prepend(this.#rowOf(media, uploadId));
    this.#empty.hidden = true;
  }

  /** @param {{ name: string, size: number }} file */
  has(file) {
    return [...this.#shown.values()].some(
      ({ media }) => media.title === file.name && media.size === file.size,
    );
  }

  async #load() {
    const turn = this.#turn;
    this.#isLoading = true;
    const path = `media/?limit=${PAGE}&offset=${this.#shown.size}`;
    const { answer, error } = await outcome(authorized(path));
    if (turn !== this.#turn) return;
    this.#isLoading = false;
    this.#message.textContent = error ?? '';
    const added = (answer?.results ?? [])
      .filter((/** @type {Media} */ { id }) => !this.#shown.has(id))
      .map((/** @type {Media} */ media) => this.#rowOf(media));
    this.#list.append(...added);
    const focused = document.activeElement;
    this.#more.textContent = error ? 'Try again' : 'Show more';
    this.#more.hidden = !error && answer.next === null;
    rescueFocus(focused, added[0]?.querySelector('a') ?? element('library-title'));
    this.#empty.hidden = Boolean(error) || this.#shown.size > 0;
  }

  /** @param {Media} media @param {string} [uploadId] */
  #rowOf(media, uploadId) {
    const { row, part } = rowOf('media-row');
    const name = media.title ?? `${media.mimetype} ${media.id}`;
    const url = media.url ?? media.image ?? '';
    this.#shown.set(media.id, { media, row });
    part('.picture').href = url;
    part('.picture').setAttribute('aria-label', `Open ${name}`);
    part('.name').textContent = name;
    part('.link').setAttribute('aria-label', `Link to ${name}`);
    part('.link').value = url;
    part('.detail').textContent = factsOf(media);
    nameButtons(row, name);
    void showPicture(part('img'), media, uploadId);
    part('.copy').onclick = () => void copy(part('.link'), part('.copy'), name);
    part('.delete').onclick = confirmed(part('.delete'), name, async () => {
      const { error, status } = await outcome(authorized(`media/${media.id}/`, { method: 'DELETE' }));
      if (error && status !== 404) {
        part('.detail').textContent = `Not deleted. ${error}`;
        return announce(`${name} was not deleted. ${error}`, true);
      }
      this.#shown.delete(media.id);
      removeRow(row, element('library-title'));
      announce(`${name} deleted`, true);
      this.#empty.hidden = this.#shown.size > 0;
    });
    return row;
  }
}

/** @param {Media} media */
function factsOf({ size: bytes, mimetype, image_width: width, image_height: height }) {
  return [size(bytes), mimetype, width && `${width} × ${height}`].filter(Boolean).join(' · ');
}

/**
 * If the clipboard is not available, as on a page without TLS, shows the link to copy by hand.
 * @param {HTMLInputElement} link @param {HTMLButtonElement} button @param {string} name
 */
async function copy(link, button, name) {
  try {
    await navigator.clipboard.writeText(link.value);
    button.textContent = 'Copied';
    announce(`Link to ${name} copied`, true);
  } catch {
    link.hidden = false;
    link.select();
    announce('Copy the link from the field', true);
  }
}

/**
 * Asks for confirmation in the button itself.
 * @param {HTMLButtonElement} button @param {string} name @param {() => Promise<void>} work
 */
function confirmed(button, name, work) {
  const say = (/** @type {string} */ text) => {
    button.textContent = text;
    button.setAttribute('aria-label', `${text} ${name}`);
  };
  let asking = 0;
  return () => {
    if (asking) {
      clearTimeout(asking);
      asking = 0;
      say('Delete');
      return void work();
    }
    say('Really delete?');
    asking = setTimeout(() => {
      asking = 0;
      say('Delete');
    }, CONFIRM_MS);
  };
}

/** @param {HTMLImageElement} image @param {Media} media @param {string} [uploadId] */
async function showPicture(image, media, uploadId) {
  if (media.image === null) {
    return image.replaceWith(media.url?.split('?')[0]?.split('.').pop()?.toUpperCase() ?? '');
  }
  image.src = media.image_thumbnail?.url ?? media.image;
  if (!media.image_thumbnail) await showThumbnail(image, media, uploadId);
}

/** @param {HTMLImageElement} image @param {Media} media @param {string} [uploadId] */
async function showThumbnail(image, media, uploadId) {
  const show = (/** @type {Media} */ { image_thumbnail: thumbnail }) => {
    if (thumbnail) image.src = thumbnail.url;
    return thumbnail;
  };
  if (uploadId !== undefined) return await watch(uploadId, (_, data) => void show(data));
  for (let tries = 0; tries < THUMBNAIL_TRIES; tries++) {
    await new Promise((resolve) => setTimeout(resolve, THUMBNAIL_MS));
    if (!image.isConnected || show(await again(media))) return;
  }
}

/** @param {Media} media @returns {Promise<Media>} */
async function again(media) {
  return (await outcome(authorized(`media/${media.id}/`))).answer ?? media;
}
