// @ts-check
// Overloads a server until it is killed: `node attackers.js '{"target": {...}, "attack": "clicks"}'`.
// Prints "ready" when the preparations are done and the first wave starts.
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { phonePhoto, text, uploadFile } from './samples.js';

/** @typedef {import('./servers.js').Target} Target */
/** @typedef {{ url: string, token: string }} Place */

const API = '/api/v2/media';

/**
 * Pipelines requests on one connection. Resolves when all have been answered, or when the connection has closed.
 * @param {Place} place @param {string[]} requests @returns {Promise<void>}
 */
async function pipeline({ url }, requests) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let answers = 0;
  await new Promise((resolve) => {
    socket.on('data', (piece) => {
      answers += piece.toString('latin1').split('HTTP/1.1 ').length - 1;
      if (answers >= requests.length) resolve(undefined);
    });
    socket.on('error', () => undefined).once('close', () => resolve(undefined));
    socket.write(requests.join(''));
  });
  socket.destroy();
}

/** @param {string} line @param {string} [token] @param {string} [body] @returns {string} */
function request(line, token, body = '') {
  const head = [`${line} HTTP/1.1`, 'Host: a', `Content-Length: ${body.length}`];
  if (token) head.push(`Authorization: Bearer ${token}`);
  if (body) head.push('Content-Type: application/json');
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** @param {Place} place @param {string} uploadId @param {string} md5 @returns {string} */
function completion({ token }, uploadId, md5) {
  return request(`POST ${API}/upload/complete/`, token, JSON.stringify({ upload_id: uploadId, md5 }));
}

/** @param {Buffer} bytes */
const md5Of = (bytes) => createHash('md5').update(bytes).digest('hex');

/** @param {number} count @param {string} one @returns {string[]} */
const many = (count, one) => Array.from({ length: count }, () => one);

/**
 * Each prepares its attack and returns the wave to repeat.
 * @type {Record<string, (place: Place) => Promise<() => Promise<unknown>>>}
 */
const ATTACKS = {
  completions: async (place) => {
    const photo = await phonePhoto(4600, 3450);
    return async () =>
      pipeline(place, many(150, completion(place, await uploadFile(place, photo), md5Of(photo))));
  },
  'wrong md5': async (place) => {
    const id = await uploadFile(place, text(52_428_800));
    return () => pipeline(place, many(100, completion(place, id, '0'.repeat(32))));
  },
  clicks: async (place) => () => pipeline(place, many(3000, request(`POST ${API}/1/click/`))),
  'unknown files': async (place) => () =>
    pipeline(place, many(3000, request(`GET /files/${'0'.repeat(32)}.pdf`))),
  // The scenario has inserted the rows.
  searches: async (place) => () =>
    Promise.all(
      many(20, request(`GET ${API}/?search=none`, place.token)).map((one) => pipeline(place, [one])),
    ),
  downloads: async (place) => {
    const file = text(52_428_800);
    const id = await uploadFile(place, file);
    const answer = await fetch(`${place.url}${API}/upload/complete/`, {
      method: 'POST',
      headers: { authorization: `Bearer ${place.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ upload_id: id, md5: md5Of(file) }),
    });
    const { pathname } = new URL((await answer.json()).url);
    return () => Promise.all(many(800, request(`GET ${pathname}`)).map((one) => unread(place, one)));
  },
  'large images': async (place) => {
    const image = await phonePhoto(8064, 6048, 6);
    return async () => {
      // In series: the images should cause the load, not the chunks.
      const ids = [];
      for (let i = 0; i < 25; i++) ids.push(await uploadFile(place, image));
      await Promise.all(ids.map((id) => pipeline(place, [completion(place, id, md5Of(image))])));
    };
  },
};

/**
 * Sends a request and never reads the response. Resolves when the server closes the connection.
 * @param {Place} place @param {string} one @returns {Promise<void>}
 */
async function unread({ url }, one) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on('error', () => undefined);
  socket.pause();
  socket.write(one);
  await new Promise((resolve) => socket.once('close', resolve));
}

const { target, attack } = JSON.parse(process.argv[2] ?? '{}');
const wave = await ATTACKS[attack]?.(target);
if (!wave) throw new Error(`There is no attack ${attack}`);
console.log('ready');
for (;;) await wave();
