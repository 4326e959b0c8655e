// @ts-check
import { request as httpRequest } from 'node:http';

const TIMEOUT_MS = 30_000;
const BOUNDARY = 'crash-harness-boundary-7d1f';

/**
 * @typedef {object} Target where requests go. Its url changes when a server is replaced
 * @property {string} url empty while there is no server
 * @property {string} token
 * @property {number} [patienceMs] time limit of one request
 *
 * @typedef {{ status: number, headers: import('node:http').IncomingHttpHeaders, body: any }} Answer
 */

/**
 * Sends a request. Rejects if the connection breaks or there is no response in time.
 * @param {Target} target @param {string} method @param {string} path
 * @param {{ headers?: Record<string, string>, body?: Buffer, agent?: import('node:http').Agent }} [options]
 * @returns {Promise<Answer>}
 */
export async function send(
  { url, token, patienceMs = TIMEOUT_MS },
  method,
  path,
  { headers = {}, body, agent } = {},
) {
  if (!url) throw new Error('There is no server');
  const all = {
    authorization: `Bearer ${token}`,
    ...(body && { 'content-length': String(body.length) }),
    ...headers,
  };
  return await new Promise((resolve, reject) => {
    const request = httpRequest(new URL(path, url), { method, headers: all, agent: agent ?? false });
    request.setTimeout(patienceMs, () => request.destroy(new Error('No answer')));
    request.on('error', reject);
    request.on('response', (response) => {
      /** @type {Buffer[]} */
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('aborted', () => reject(new Error('The connection broke during the response')));
      response.on('end', () => resolve(answerOf(response, Buffer.concat(parts).toString())));
    });
    request.end(body);
  });
}

/** @param {import('node:http').IncomingMessage} response @param {string} text @returns {Answer} */
function answerOf({ statusCode = 0, headers }, text) {
  const json = /json/.test(headers['content-type'] ?? '') && text !== '';
  return { status: statusCode, headers, body: json ? JSON.parse(text) : text };
}

/**
 * @typedef {object} ChunkRequest
 * @property {string} name of the file
 * @property {Buffer} bytes
 * @property {number} start
 * @property {number} total
 * @property {string | undefined} id of the upload, from the second chunk on
 * @property {string | undefined} [key] Idempotency-Key
 * @property {boolean} [raw] the body is the chunk itself instead of a form
 * @property {import('node:http').Agent} [agent]
 */

/** @param {Target} target @param {ChunkRequest} chunk */
export async function sendChunk(target, { name, bytes, start, total, id, raw, key, agent }) {
  const range = {
    'content-range': `bytes ${start}-${start + bytes.length - 1}/${total}`,
    ...(key !== undefined && { 'idempotency-key': key }),
  };
  const path = '/api/v2/media/upload/chunk/';
  const options = agent ? { agent } : {};
  if (raw && id) {
    const headers = { ...range, 'content-type': 'application/octet-stream' };
    return await send(target, 'POST', `${path}?upload_id=${id}`, { headers, body: bytes, ...options });
  }
  const headers = { ...range, 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
  return await send(target, 'POST', path, { headers, body: formOf(name, bytes, id), ...options });
}

/** @param {Target} target @param {string} id @param {string} md5 @param {import('node:http').Agent} [agent] */
export async function sendComplete(target, id, md5, agent) {
  const body = Buffer.from(JSON.stringify({ upload_id: id, md5 }));
  const headers = { 'content-type': 'application/json' };
  const path = '/api/v2/media/upload/complete/';
  return await send(target, 'POST', path, { headers, body, ...(agent && { agent }) });
}

/** @param {Target} target @param {string} id */
export async function askStatus(target, id) {
  return await send(target, 'GET', `/api/v2/media/upload/${id}/`);
}

/** @param {string} name @param {Buffer} bytes @param {string | undefined} id */
function formOf(name, bytes, id) {
  const field = id
    ? `--${BOUNDARY}\r\nContent-Disposition: form-data; name="upload_id"\r\n\r\n${id}\r\n`
    : '';
  const head =
    `${field}--${BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="${name}"\r\n` +
    `Content-Type: application/octet-stream\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)]);
}
