// @ts-check
// Generates load in a separate process: `node load.js '{"target": {...}, "uploads": 8, "chunks": 64}'` prints JSON.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import { connect } from 'node:net';
import { straight } from './straight.js';

const CHUNK_BYTES = 204_800;

/** @typedef {{ name: string, url: string, token: string, store?: Record<string, string> }} Target `store`: settings, if it is an object store */
/** @typedef {{ status: number, headers: http.IncomingHttpHeaders, body: string }} Answer */

/**
 * @param {http.Agent} agent @param {string} url @param {string} method @param {http.OutgoingHttpHeaders} headers
 * @param {Buffer[]} pieces of the body. The kernel joins them: copying them here would count as time of the server
 * @returns {Promise<Answer>}
 */
function request(agent, url, method, headers, ...pieces) {
  return new Promise((resolve, reject) => {
    const sent = http.request(
      url,
      { agent, method, headers: { 'content-length': lengthOf(pieces), ...headers } },
      (response) => {
        let text = '';
        response.on('data', (piece) => (text += piece));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
        );
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.cork();
    for (const piece of pieces) sent.write(piece);
    sent.end();
  });
}

/** @param {Buffer[]} pieces @returns {number} */
function lengthOf(pieces) {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

/**
 * Clients for each kind of server. `send` resolves when the chunk is acknowledged; `address` is that of the upload, which
 * DELETE ends.
 */
const SENDERS = {
  /** @param {Target} target @param {http.Agent} agent @param {number} total */
  mediadock: (target, agent, total) => {
    let id = '';
    return {
      send: async (/** @type {Buffer} */ bytes, /** @type {number} */ start) => {
        const field = id && `--b\r\nContent-Disposition: form-data; name="upload_id"\r\n\r\n${id}\r\n`;
        const head = `${field}--b\r\nContent-Disposition: form-data; name="image"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n`;
        const headers = {
          authorization: `Bearer ${target.token}`,
          'content-type': 'multipart/form-data; boundary=b',
          'content-range': `bytes ${start}-${start + bytes.length - 1}/${total}`,
        };
        const answer = await request(
          agent,
          `${target.url}/api/v2/media/upload/chunk/`,
          'POST',
          headers,
          Buffer.from(head),
          bytes,
          Buffer.from('\r\n--b--\r\n'),
        );
        expect(answer, 201);
        id = JSON.parse(answer.body).upload_id;
      },
      finish: async (/** @type {string} */ md5) => {
        const headers = { authorization: `Bearer ${target.token}`, 'content-type': 'application/json' };
        const body = Buffer.from(JSON.stringify({ upload_id: id, md5 }));
        const answer = await request(
          agent,
          `${target.url}/api/v2/media/upload/complete/`,
          'POST',
          headers,
          body,
        );
        expect(answer, 201);
        return JSON.parse(answer.body).url;
      },
      address: () => `${target.url}/api/v2/media/upload/${id}/`,
    };
  },
  /** @param {Target} target @param {http.Agent} agent @param {number} total */
  '@tus/server': (target, agent, total) => {
    let url = '';
    return {
      send: async (/** @type {Buffer} */ bytes, /** @type {number} */ start) => {
        if (start === 0) {
          const created = await request(agent, `${target.url}/files`, 'POST', {
            'tus-resumable': '1.0.0',
            'upload-length': total,
          });
          expect(created, 201);
          url = new URL(created.headers.location ?? '', target.url).href;
        }
        const headers = {
          'tus-resumable': '1.0.0',
          'upload-offset': start,
          'content-type': 'application/offset+octet-stream',
        };
        expect(await request(agent, url, 'PATCH', headers, bytes), 204);
      },
      finish: async () => url,
      address: () => url,
    };
  },
  /** @param {Target} target @param {http.Agent} agent */
  'synced floor': (target, agent) => {
    const id = randomUUID();
    return {
      send: async (/** @type {Buffer} */ bytes, /** @type {number} */ start) =>
        expect(await request(agent, `${target.url}/${id}?offset=${start}`, 'PUT', {}, bytes), 201),
      finish: async () => '',
      address: () => `${target.url}/${id}`,
    };
  },
  /** @param {Target} target */
  S3: ({ store = {} }) => straight(store),
};

/** @param {Answer} answer @param {number} status */
function expect(answer, status) {
  if (answer.status !== status) throw new Error(`${answer.status} instead of ${status}: ${answer.body}`);
}

/** @param {number} chunks @param {boolean} complete */
function makeFile(chunks, complete) {
  const bytes = Buffer.concat([Buffer.from('%PDF-1.7\n'), randomBytes(chunks * CHUNK_BYTES - 9)]);
  return { bytes, md5: complete ? createHash('md5').update(bytes).digest('hex') : undefined };
}

/**
 * Uploads a file chunk by chunk. Returns the time of each chunk in milliseconds.
 * @param {Target} target @param {ReturnType<typeof makeFile>} file completed at the end if it has an md5
 */
async function upload(target, { bytes: file, md5 }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const sender = await SENDERS[/** @type {keyof typeof SENDERS} */ (target.name)](target, agent, file.length);
  const times = [];
  for (let start = 0; start < file.length; start += CHUNK_BYTES) {
    const at = performance.now();
    await sender.send(file.subarray(start, start + CHUNK_BYTES), start);
    times.push(performance.now() - at);
  }
  const at = performance.now();
  const url = md5 ? await sender.finish(md5) : '';
  agent.destroy();
  return { times, completeMs: performance.now() - at, url, address: sender.address() };
}

/**
 * Runs `uploads` uploads at once, each of `files` files in a row. The files are generated before the clock starts, and
 * as many uploads of `warmUp` chunks have ended.
 * @param {{ target: Target, uploads: number, chunks: number, files?: number, complete?: boolean, warmUp?: number }} task
 */
async function run({ target, uploads, chunks, files = 1, complete = false, warmUp = 0 }) {
  if (warmUp > 0) await run({ target, uploads, chunks: warmUp });
  const rows = Array.from({ length: uploads }, () =>
    Array.from({ length: files }, () => makeFile(chunks, complete)),
  );
  const at = performance.now();
  const inARow = async (/** @type {ReturnType<typeof makeFile>[]} */ row) => {
    const results = [];
    for (const file of row) results.push(await upload(target, file));
    return results;
  };
  const results = (await Promise.all(rows.map(inARow))).flat();
  const seconds = (performance.now() - at) / 1000;
  return {
    seconds,
    times: results.flatMap(({ times }) => times),
    completeMs: results.map((one) => one.completeMs),
    urls: results.map(({ url }) => url),
    addresses: results.map(({ address }) => address),
  };
}

/** Ends uploads and removes their bytes. @param {{ target: Target, remove: string[] }} task */
async function removeAll({ target, remove }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { authorization: `Bearer ${target.token}`, 'tus-resumable': '1.0.0' };
  for (const address of remove) expect(await request(agent, address, 'DELETE', headers), 204);
  agent.destroy();
  return {};
}

/** @param {{ target: Target, url: string, headers?: Record<string, string>, requests: number, connections?: number }} task `requests` on each connection */
async function fetchAll({ connections = 1, ...task }) {
  const at = performance.now();
  const times = (await Promise.all(Array.from({ length: connections }, () => fetchMany(task)))).flat();
  return { seconds: (performance.now() - at) / 1000, times };
}

/** In series. @param {{ target: Target, url: string, headers?: Record<string, string>, requests: number }} task */
async function fetchMany({ target, url, headers = {}, requests }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const method = headers['x-method'] ?? 'GET';
  const times = [];
  for (let i = 0; i < requests; i++) {
    const at = performance.now();
    await drain(agent, url, method, {
      ...(target.token && { authorization: `Bearer ${target.token}` }),
      ...headers,
    });
    times.push(performance.now() - at);
  }
  agent.destroy();
  return times;
}

/**
 * @param {http.Agent} agent @param {string} url @param {string} method @param {Record<string, string>} headers
 * @returns {Promise<void>}
 */
function drain(agent, url, method, headers) {
  return new Promise((resolve, reject) => {
    http
      .request(url, { agent, method, headers }, (response) => {
        if ((response.statusCode ?? 500) >= 300) return reject(new Error(`${response.statusCode} ${url}`));
        response.resume().once('end', resolve);
      })
      .once('error', reject)
      .end();
  });
}

/**
 * Opens many connections that each take a minute to send a chunk, and reconnects when the server closes one. Prints
 * "ready" when the server has 16 KiB from each, and runs until it is killed.
 * @param {{ target: Target, trickling: number }} task
 */
function trickle({ target, trickling }) {
  const { hostname, port } = new URL(target.url);
  const head = [
    'POST /api/v2/media/upload/chunk/ HTTP/1.1',
    'Host: a',
    `Authorization: Bearer ${target.token}`,
    `Content-Length: ${CHUNK_BYTES}`,
    `Content-Range: bytes 0-${CHUNK_BYTES - 1}/${CHUNK_BYTES}`,
  ];
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  const open = () => {
    const socket = connect(Number(port), hostname);
    sockets.add(socket.once('data', () => socket.destroy()).on('error', () => undefined));
    socket.once('close', () => sockets.delete(socket) && open());
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
  };
  for (let i = 0; i < trickling; i++) open();
  const piece = Buffer.alloc(1000, '%PDF-1.7\n');
  setInterval(() => sockets.forEach((socket) => socket.write(piece)), 300);
  setTimeout(() => console.log('ready'), 6000);
}

const task = JSON.parse(process.argv[2] ?? '{}');
if ('trickling' in task) trickle(task);
else console.log(JSON.stringify(await ('url' in task ? fetchAll : 'remove' in task ? removeAll : run)(task)));
