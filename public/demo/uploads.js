// @ts-check
import { upload } from '../client/browser.js';
import { hasToken, token } from './account.js';
import { refusal } from './checks.js';
import { announce, element, HERE, rescueFocus } from './page.js';
import { UploadRow } from './upload-row.js';
import { percent, plural, size } from './words.js';

const TITLE = document.title;

/** All files that were chosen on this page. */
export class Uploads {
  /** @type {UploadRow[]} */
  #rows = [];
  #options;
  #finished;
  #isKnown;

  /**
   * @param {{ fetch: typeof fetch, finished: (media: any, id?: string) => void, isKnown: (file: File) => boolean }} options
   *   `isKnown`: whether such a file has been uploaded already
   */
  constructor({ fetch, finished, isKnown }) {
    this.#finished = finished;
    this.#isKnown = isKnown;
    // A stopped server may need a while to come back.
    const retry = { limit: 100, maxDelayMs: 5000 };
    this.#options = { url: HERE.href, token, resume: 'anywhere', fetch, retry };
    element('pause-all').onclick = () => this.#pauseAll();
    element('cancel-all').onclick = () => this.#open.forEach((row) => row.cancel());
    element('clear').onclick = () =>
      this.#rows.filter(({ state }) => state === 'done' || state === 'failed').forEach((row) => row.remove());
    addEventListener('beforeunload', (event) => {
      if (this.#open.length > 0) event.preventDefault();
    });
  }

  /** @param {readonly File[]} files */
  add(files) {
    if (files.length === 0 || !hasToken()) return;
    for (const file of files) {
      const reason = refusal(file);
      if (reason) {
        this.refuse(file, reason);
        continue;
      }
      const row = this.#rowOf(file);
      if (this.#isDuplicate(file)) row.warn('You have uploaded this file already. This makes a copy.');
      this.#rows.push(row);
      row.begin();
    }
  }

  /** @param {File} file @param {string} reason */
  refuse(file, reason) {
    const row = this.#rowOf(file);
    this.#rows.push(row);
    row.fail(reason);
    announce(`${file.name}: ${reason}`, true);
  }

  /** Upload ids that this page is sending. */
  get ids() {
    return this.#open.map(({ upload }) => upload?.uploadId);
  }

  get #open() {
    return this.#rows.filter(({ state }) => state === 'running' || state === 'paused');
  }

  /** @param {File} file */
  #rowOf(file) {
    const start = () => upload(file, this.#options);
    return new UploadRow(file, start, (row, media) => this.#changed(row, media));
  }

  /** @param {File} file */
  #isDuplicate({ name, size: bytes, lastModified }) {
    const alike = this.#rows.some(
      ({ file }) => file.name === name && file.size === bytes && file.lastModified === lastModified,
    );
    return alike || this.#isKnown(/** @type {File} */ ({ name, size: bytes }));
  }

  #pauseAll() {
    const running = this.#open.filter(({ state }) => state === 'running');
    for (const row of running.length > 0 ? running : this.#open) row.togglePause();
  }

  /** @param {UploadRow} changed @param {any} [media] */
  #changed(changed, media) {
    this.#rows = this.#rows.filter((row) => row.isShown);
    if (media) this.#finished(media, changed.upload?.uploadId);
    this.#summarize();
    if (changed.state === 'failed' && changed.isShown) announce(`${changed.file.name} failed`, true);
  }

  #summarize() {
    const rows = this.#rows.filter(({ state }) => state !== 'failed');
    const open = this.#open;
    const done = rows.filter(({ state }) => state === 'done').length;
    const failed = this.#rows.length - rows.length;
    const total = rows.reduce((sum, { file }) => sum + file.size, 0);
    const share = total > 0 ? rows.reduce((sum, { bytes }) => sum + bytes, 0) / total : 0;
    const speed = open.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0);
    const wrong = failed > 0 ? `, ${failed} failed` : '';
    const text =
      open.length > 0
        ? `${done} of ${plural(rows.length, 'file')} · ${percent(share)}${speed > 0 ? ` · ${size(speed)}/s` : ''}${wrong}`
        : `${done > 0 ? `Done: ${plural(done, 'file')} uploaded` : 'Nothing uploaded'}${wrong}`;
    const focused = document.activeElement;
    element('all').hidden = this.#rows.length === 0;
    element('total').value = share;
    element('summary').textContent = text;
    const isPaused = open.length > 0 && open.every(({ state }) => state === 'paused');
    element('pause-all').textContent = isPaused ? 'Resume all' : 'Pause all';
    element('pause-all').hidden = element('cancel-all').hidden = open.length === 0;
    element('clear').hidden = done + failed === 0;
    rescueFocus(focused, element('upload-title'));
    document.title = open.length > 0 ? `${percent(share)} · ${TITLE}` : done > 0 ? `Done · ${TITLE}` : TITLE;
    if (this.#rows.length > 0) announce(text, open.length === 0);
  }
}
