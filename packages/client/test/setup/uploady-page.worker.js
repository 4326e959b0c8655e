import { parentPort, workerData } from 'node:worker_threads';
import { JSDOM, VirtualConsole } from 'jsdom';

const { url, token, name, bytes } = workerData;
const { window } = new JSDOM('<main></main>', {
  url: 'http://community.example/',
  virtualConsole: new VirtualConsole(),
});
const { document, navigator, XMLHttpRequest, FormData, File, FileList, Blob } = window;
/** What another life of this page remembered; in a browser that is the same storage. */
const localStorage = {
  getItem: (/** @type {string} */ key) => workerData.storage.get(key) ?? null,
  setItem: (/** @type {string} */ key, /** @type {string} */ value) => tell('remember', [key, value]),
  removeItem: (/** @type {string} */ key) => tell('forget', key),
};
// jsdom has not got this one.
Blob.prototype.arrayBuffer = function () {
  return new Promise((resolve) => {
    const reader = new window.FileReader();
    reader.onload = () => resolve(/** @type {ArrayBuffer} */ (reader.result));
    reader.readAsArrayBuffer(this);
  });
};
// Before the libraries are loaded: they look at once which of these there are.
const globals = { window, document, navigator, XMLHttpRequest, FormData, File, FileList, Blob, localStorage };
for (const [key, value] of Object.entries(globals)) Object.defineProperty(globalThis, key, { value });

const { createElement, useEffect } = await import('react');
const { createRoot } = await import('react-dom/client');
const { ChunkedUploady, useItemErrorListener, useUploady } = await import('@rpldy/chunked-uploady');
const { useMediadock } = await import(new URL('../../recipes/chunked-uploady.js', import.meta.url).href);

/** @type {(event: string, value: any) => void} */
function tell(event, value) {
  if (event === 'remember') workerData.storage.set(...value);
  if (event === 'forget') workerData.storage.delete(value);
  parentPort?.postMessage([event, value]);
}

function Uploader() {
  const { upload } = useUploady();
  useMediadock({
    url,
    token,
    onMedia: (/** @type {object} */ media) => tell('media', media),
    onError: (/** @type {Error} */ error) => tell('error', error.message),
  });
  useItemErrorListener(() => tell('error', 'The library gave up'));
  useEffect(() => upload(new File([bytes], name, { lastModified: 1 })), []);
  return null;
}

const props = {
  destination: {
    url: `${url}/api/v2/media/upload/chunk/`,
    headers: { Authorization: `Bearer ${token}` },
  },
  inputFieldName: 'image',
  chunkSize: 204_800,
  retries: workerData.retries,
};
createRoot(/** @type {HTMLElement} */ (document.querySelector('main'))).render(
  createElement(ChunkedUploady, props, createElement(Uploader)),
);
