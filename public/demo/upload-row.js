// @ts-check
import { hasToken } from './account.js';
import { element, nameButtons, removeRow, rowOf } from './page.js';
import { enter, leave } from './queue.js';
import { percent, size, span } from './words.js';

/** @typedef {'running' | 'paused' | 'done' | 'failed'} State */

/** A row that shows one upload, with its buttons. */
export class UploadRow {
  /** @type {State} */
  state = 'running';
  bytes = 0;
  bytesPerSecond = 0;
  /** @type {any} */
  upload;
  #element;
  #part;
  #start;
  #changed;

  /**
   * @param {File} file
   * @param {() => any} start starts an upload of the file
   * @param {(row: UploadRow, media?: any) => void} changed
   */
  constructor(file, start, changed) {
    const { row, part } = rowOf('upload-row');
    this.file = file;
    [this.#element, this.#part, this.#start, this.#changed] = [row, part, start, changed];
    part('.name').textContent = file.name;
    part('progress').setAttribute('aria-label', file.name);
    nameButtons(row, file.name);
    part('.pause').onclick = () => this.togglePause();
    part('.cancel').onclick = () => this.cancel();
    part('.retry').onclick = () => hasToken() && this.begin();
    if (file.type.startsWith('image/')) this.#preview();
    element('uploads').append(row);
  }

  begin() {
    this.#become('running', 'Waiting for its turn…');
    enter(this);
  }

  /** Starts the upload, or resumes it. */
  run() {
    this.#become('running', 'Starting…');
    if (this.upload) return this.upload.resume();
    this.upload = this.#start();
    this.upload.on('progress', (/** @type {any} */ progress) => this.#move(progress));
    this.upload.on('retry', (/** @type {any} */ { error, delayMs }) =>
      this.#tell(`${error.message}; trying again in ${span(delayMs / 1000)}`),
    );
    this.upload.media.then(
      (/** @type {any} */ media) => {
        leave(this);
        this.bytes = this.file.size;
        this.#part('progress').value = 1;
        this.#become('done', `Done · ${size(this.file.size)}`, media);
      },
      (/** @type {any} */ error) => error.code !== 'aborted' && this.fail(error.message, true),
    );
  }

  /** @param {string} message */
  fail(message, mayRetry = false) {
    leave(this);
    this.upload = undefined;
    this.#become('failed', message);
    this.#part('.retry').hidden = !mayRetry;
  }

  /** @param {string} text */
  warn(text) {
    this.#part('.note').textContent = text;
    this.#part('.note').hidden = false;
  }

  togglePause() {
    if (this.state === 'paused') return this.begin();
    leave(this);
    this.upload?.pause();
    this.#become('paused', `Paused at ${size(this.bytes)} of ${size(this.file.size)}`);
  }

  cancel() {
    leave(this);
    // The client cancels it on the server, now or once that is reachable.
    void this.upload?.abort({ cancel: true });
    this.remove();
  }

  remove() {
    const image = this.#part('.preview');
    if (image.src) URL.revokeObjectURL(image.src);
    removeRow(this.#element, element('upload-title'));
    this.#changed(this);
  }

  get isShown() {
    return this.#element.isConnected;
  }

  #preview() {
    const image = this.#part('.preview');
    image.onload = () => (image.hidden = false);
    image.src = URL.createObjectURL(this.file);
  }

  /** @param {any} progress */
  #move({ bytes, total, bytesPerSecond, secondsLeft }) {
    this.bytes = bytes;
    this.bytesPerSecond = bytesPerSecond;
    this.#part('progress').value = bytes / total;
    if (this.state !== 'running') return;
    const speed = bytesPerSecond > 0 ? ` · ${size(bytesPerSecond)}/s · ${span(secondsLeft)} left` : '';
    this.#tell(`${percent(bytes / total)} · ${size(bytes)} of ${size(total)}${speed}`);
    this.#changed(this);
  }

  /** @param {State} state @param {string} text @param {any} [media] */
  #become(state, text, media) {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    this.state = state;
    if (state !== 'running') this.bytesPerSecond = 0;
    this.#element.dataset['state'] = state;
    this.#part('.pause').textContent = state === 'paused' ? 'Resume' : 'Pause';
    this.#part('.pause').hidden = state === 'done' || state === 'failed';
    this.#part('.cancel').textContent = state === 'done' || state === 'failed' ? 'Dismiss' : 'Cancel';
    this.#part('.retry').hidden = true;
    nameButtons(this.#element, this.file.name);
    if (focused?.hidden && this.#element.contains(focused)) this.#part('.cancel').focus();
    this.#tell(text);
    this.#changed(this, media);
  }

  /** @param {string} text */
  #tell(text) {
    this.#part('.detail').textContent = text;
  }
}
