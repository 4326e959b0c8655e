// @ts-check
import { uploadAll } from '../client/browser.js';
import { FaultyFetch } from './faults.js';
import { Library } from './library.js';
import { size, span } from './words.js';

/** Where the page is, so is the API: below a path, too. */
const HERE = new URL('.', document.baseURI);
const API = new URL('api/v2/', HERE);

const page = {
  token: /** @type {HTMLInputElement} */ (element('token')),
  demoToken: element('demo-token'),
  drop: element('drop'),
  files: /** @type {HTMLInputElement} */ (element('files')),
  message: element('message'),
  uploads: element('uploads'),
  broken: element('break'),
  slow: /** @type {HTMLInputElement} */ (element('slow')),
};

const faulty = new FaultyFetch();
const library = new Library(authorized);

/** @param {string} id @returns {HTMLElement} */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element ${id}`);
  return found;
}

/** @param {string} path @param {RequestInit} [init] @returns {Promise<Response>} */
function authorized(path, init) {
  return fetch(new URL(path, API), {
    ...init,
    headers: { ...init?.headers, authorization: `Bearer ${page.token.value.trim()}` },
  });
}

/** @param {Iterable<File>} files */
function start(files) {
  if (!page.token.reportValidity()) return;
  const queue = uploadAll(files, {
    url: HERE.href,
    token: () => page.token.value.trim(),
    resume: 'anywhere',
    fetch: faulty.fetch,
    // A stopped server may take its time to come back.
    retry: { limit: 100, maxDelayMs: 5000 },
  });
  [...files].forEach((file, index) => show(file, queue.uploads[index]));
}

/** @param {File} file @param {any} upload */
function show(file, upload) {
  const template = /** @type {HTMLTemplateElement} */ (element('upload-row'));
  const row = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
  const part = (/** @type {string} */ name) => /** @type {any} */ (row.querySelector(name));
  part('.name').textContent = file.name;
  part('progress').setAttribute('aria-label', file.name);
  part('.pause').onclick = () => (upload.state === 'paused' ? upload.resume() : upload.pause());
  part('.cancel').onclick = () => upload.abort({ cancel: true }).then(() => row.remove());
  const tell = (/** @type {string} */ text) => (part('.detail').textContent = text);
  upload.on('state', (/** @type {string} */ state) => {
    part('.pause').textContent = state === 'paused' ? 'Resume' : 'Pause';
    if (state === 'paused') tell(`Paused at ${size(upload.progress?.bytes ?? 0)}`);
  });
  upload.on('progress', (/** @type {any} */ { bytes, total, bytesPerSecond, secondsLeft }) => {
    part('progress').value = bytes / total;
    tell(`${size(bytes)} of ${size(total)} · ${size(bytesPerSecond)}/s · ${span(secondsLeft)} left`);
  });
  upload.on('retry', (/** @type {any} */ { error, delayMs }) =>
    tell(`${error.message}; trying again in ${span(delayMs / 1000)}`),
  );
  upload.media.then(
    () => {
      row.remove();
      void library.reload();
    },
    (/** @type {any} */ error) => {
      if (error.code === 'aborted') return;
      row.classList.add('failed');
      part('.pause').hidden = true;
      part('.cancel').textContent = 'Dismiss';
      part('.cancel').onclick = () => row.remove();
      tell(error.message);
    },
  );
  page.uploads.append(row);
}

/** Uploads that a reload, or another device, has left open: picking the same file again goes on with them. */
async function showUnfinished() {
  const response = await authorized('media/upload/');
  if (!response.ok) return;
  const { count, results } = await response.json();
  const names = results.map((/** @type {any} */ { title, offset, total }) => {
    const share = Math.floor((100 * Number(offset)) / Number(total));
    return `${title ?? 'a file'} (${share} %)`;
  });
  page.message.textContent =
    count > 0 ? `Unfinished: ${names.join(', ')}. Choose the same file to go on.` : '';
}

function refresh() {
  localStorage.setItem('demo token', page.token.value.trim());
  void library.reload();
  void showUnfinished();
}

page.token.onchange = refresh;
page.files.onchange = () => {
  start([...(page.files.files ?? [])]);
  page.files.value = '';
};
page.drop.ondragover = (event) => {
  event.preventDefault();
  page.drop.classList.add('over');
};
page.drop.ondragleave = () => page.drop.classList.remove('over');
page.drop.ondrop = (event) => {
  event.preventDefault();
  page.drop.classList.remove('over');
  start([...(event.dataTransfer?.files ?? [])]);
};
for (const button of page.broken.querySelectorAll('button'))
  button.onclick = () => faulty.next(button.dataset['fault'] ?? '');
page.slow.onchange = () => faulty.always(page.slow.checked ? 'slow' : undefined);

// What is for trying out exists only on servers that are.
page.demoToken.hidden = page.broken.hidden = document.documentElement.dataset['trials'] !== 'true';

page.demoToken.onclick = async () => {
  const response = await fetch(new URL('dev/token/', API), { method: 'POST' });
  page.token.value = (await response.json()).token;
  refresh();
};

page.token.value = localStorage.getItem('demo token') ?? '';
if (page.token.value) refresh();
