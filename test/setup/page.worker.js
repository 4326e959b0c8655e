import { parentPort } from 'node:worker_threads';
import { JSDOM, VirtualConsole } from 'jsdom';

/** @import { PageAnswer, PageAnswers, PageUpload } from './page.js' */

// A page of another origin than the server, so that every request goes through CORS as in production.
const { window } = new JSDOM('<main></main>', {
  url: 'http://community.example/',
  virtualConsole: new VirtualConsole(),
});
const { document, navigator, XMLHttpRequest, FormData, File, FileList, Blob } = window;
// Before the libraries are loaded: they look at once which of these there are. Node has a few of its own, some read-only.
const globals = { window, document, navigator, XMLHttpRequest, FormData, File, FileList, Blob };
for (const [name, value] of Object.entries(globals)) Object.defineProperty(globalThis, name, { value });

const { createElement, useEffect, useRef } = await import('react');
const { createRoot } = await import('react-dom/client');
const {
  ChunkedUploady,
  useChunkFinishListener,
  useChunkStartListener,
  useItemErrorListener,
  useItemFinishListener,
  useUploady,
} = await import('@rpldy/chunked-uploady');

/**
 * What the composer of the platform does with one file: the first answer names the upload, and every later chunk says it.
 * @param {{ upload: PageUpload, onEnd: (answers: PageAnswers) => void }} props
 */
function Uploader({ upload, onEnd }) {
  const uploadId = useRef('');
  const chunks = useRef(/** @type {PageAnswer[]} */ ([]));
  const { upload: start } = useUploady();

  useChunkStartListener(() => nextChunk(upload, uploadId.current));
  useChunkFinishListener(({ uploadData: { status, response } }) => {
    uploadId.current ||= response.data.upload_id;
    chunks.current.push({ status, headers: response.headers, body: response.data });
  });
  useItemErrorListener(({ uploadResponse }) => {
    const { status, response } = uploadResponse.chunkUploadResponse;
    const { headers = {}, data } = response;
    onEnd({ chunks: chunks.current, failure: { status, headers, body: data } });
  });
  useItemFinishListener(async () => {
    onEnd({ chunks: chunks.current, completion: await complete(upload, uploadId.current) });
  });
  useEffect(() => {
    const { bytes, name, type } = upload.file;
    start(new File([/** @type {Uint8Array<ArrayBuffer>} */ (bytes)], name, { type }));
  }, []);
  return null;
}

/** @type {(upload: PageUpload, uploadId: string) => object} */
function nextChunk({ url, raw }, uploadId) {
  if (!uploadId) return {};
  if (raw) return { url: `${chunkUrl(url)}?upload_id=${uploadId}` };
  return { sendOptions: { params: { upload_id: uploadId } } };
}

/** @type {(upload: PageUpload, uploadId: string) => Promise<PageAnswer>} */
async function complete({ url, token, file }, uploadId) {
  const form = new FormData();
  form.append('upload_id', uploadId);
  form.append('md5', file.md5);
  form.append('type', 'undefined');
  const request = new XMLHttpRequest();
  request.open('POST', `${url}/api/v2/media/upload/complete/`);
  request.setRequestHeader('Authorization', `Bearer ${token}`);
  await new Promise((resolve) => {
    request.onloadend = resolve;
    request.send(form);
  });
  const { status, responseText } = request;
  return { status, headers: {}, body: responseText && JSON.parse(responseText) };
}

/** @type {(upload: PageUpload) => Promise<PageAnswers>} */
async function show(upload) {
  const props = {
    destination: { url: chunkUrl(upload.url), headers: { Authorization: `Bearer ${upload.token}` } },
    inputFieldName: 'image',
    chunkSize: 204_800,
    retries: upload.attempts ?? 0,
    sendWithFormData: !upload.raw,
  };
  return await new Promise((resolve, reject) => {
    const root = createRoot(/** @type {HTMLElement} */ (document.querySelector('main')), {
      onUncaughtError: reject,
    });
    const onEnd = (/** @type {PageAnswers} */ answers) => {
      root.unmount();
      resolve(answers);
    };
    root.render(createElement(ChunkedUploady, props, createElement(Uploader, { upload, onEnd })));
  });
}

/** @type {(url: string) => string} */
function chunkUrl(url) {
  return `${url}/api/v2/media/upload/chunk/`;
}

parentPort?.on('message', async (upload) => parentPort?.postMessage(await show(upload)));
parentPort?.postMessage('ready');
