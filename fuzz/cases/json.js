// @ts-check
import { createHash } from 'node:crypto';
import { COMPLETE, open, textOf } from '../client.js';
import { mutate } from '../mutate.js';

/** @typedef {import('../client.js').Client} Client @typedef {import('../../crash/random.js').Random} Random */

const TRIES = 12;

/**
 * Malformed JSON and forms, for the completion of an upload and then for its media item.
 * @param {Client} client @param {Random} random
 */
export async function json(client, random) {
  const file = textOf(client, 80);
  const id = await open(client, file);
  const md5 = md5Of(file);
  // Very different from the right one, so that a mutation of one byte cannot correct it.
  const wrong = md5Of(`not ${file}`);
  for (let left = TRIES; left > 0; left--) {
    const fields = { upload_id: id, md5: wrong, type: 'doc' };
    const reply = await client.send({ method: 'POST', target: COMPLETE, ...bodyOf(fields, random) });
    client.expect(reply, (status) => status >= 400, 'a completion with a wrong body');
  }
  const made = await client.send({ method: 'POST', target: COMPLETE, ...asJson({ upload_id: id, md5 }) });
  client.expect(made, (status) => status === 201, 'the right completion after wrong ones');
  await changes(client, random, made.json);
}

/** @param {Client} client @param {Random} random @param {any} media */
async function changes(client, random, media) {
  const target = `/api/v2/media/${media?.id}/`;
  let before = media;
  for (let left = TRIES; left > 0; left--) {
    const method = random.pick(['PATCH', 'PUT']);
    const changed = await client.send({
      method,
      target,
      ...bodyOf(
        { title: 'A title', description: 'Words', owner: 'x', id: 7, size: 1, type: 'image' },
        random,
      ),
    });
    const { json: after } = await client.send({ method: 'GET', target });
    const expected = changed.status === 200 ? changed.json : before;
    if (JSON.stringify(after) !== JSON.stringify(expected))
      client.find(`${method} ${changed.status} left another Media`);
    if (after && !sameFile(after, media)) client.find(`${method} changed what is not the client's to change`);
    before = after;
  }
}

/** @param {string | Buffer} file */
function md5Of(file) {
  return createHash('md5').update(file).digest('hex');
}

/** @param {any} one @param {any} other */
function sameFile(one, other) {
  return ['id', 'added_at', 'type', 'url', 'image', 'size', 'mimetype', 'order'].every(
    (name) => one[name] === other[name],
  );
}

/** @param {Record<string, unknown>} fields @param {Random} random */
function bodyOf(fields, random) {
  const name = random.pick(Object.keys(fields));
  return random.pick([
    () => asJson({ ...fields, [name]: value(random) }),
    () => asJson({ ...fields, [name]: value(random) }),
    () => asText('application/json', mutate(Buffer.from(JSON.stringify(fields)), random)),
    () => asText('application/json', mutate(Buffer.from(JSON.stringify(fields)), random)),
    () =>
      asText(
        'application/json',
        Buffer.from(random.pick(['', 'null', '[]', '"x"', '1', '{', '{}', '\ufeff{}'])),
      ),
    () => asText('application/json', Buffer.from(deep(random))),
    () => asText('application/json', Buffer.from(`{"${name}":1,${JSON.stringify(fields).slice(1)}`)),
    () => asText('application/x-www-form-urlencoded', mutate(Buffer.from(encode(fields)), random)),
    () =>
      asText(
        'application/x-www-form-urlencoded',
        Buffer.from(`${encode(fields)}&${name}=${JSON.stringify(value(random))}&${name}[]=1`),
      ),
    () => asText(mediaType(random), Buffer.from(JSON.stringify(fields))),
    () => asText('application/json', Buffer.alloc(random.pick([65_536, 65_537, 200_000]), 32)),
  ])();
}

/** @param {Random} random */
function deep(random) {
  const depth = random.pick([10, 1000, 15_000]);
  const [open, close] = random.pick([
    ['[', ']'],
    ['{"a":', '}'],
  ]);
  return `{"title":${open?.repeat(depth)}1${close?.repeat(depth)}}`.slice(0, 100_000);
}

/** @param {Random} random @returns {unknown} */
function value(random) {
  return random.pick(
    /** @type {unknown[]} */ ([
      null,
      true,
      0,
      -1,
      1e308,
      [],
      ['x'],
      {},
      { toString: 'x' },
      '',
      ' ',
      'a\0b',
      '\ud800',
      '\u202e',
      'x'.repeat(random.pick([254, 255, 256, 5000, 5001, 30_000])),
      '🦆'.repeat(random.pick([127, 128, 255, 256])),
      '__proto__',
      "'; DROP TABLE media; --",
      '%',
      '0'.repeat(32),
      'é'.repeat(32),
    ]),
  );
}

/** @param {Random} random */
function mediaType(random) {
  return random.pick([
    'text/plain',
    'application/json; charset=utf-16',
    'application/JSON',
    'application/jsonp',
    'application/xml',
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/mixed; boundary=x',
    `multipart/form-data; boundary=${'x'.repeat(71)}`,
    'multipart/form-data; boundary=a; boundary=b',
    ';',
    '',
  ]);
}

/** @param {object} fields */
function asJson(fields) {
  return asText('application/json', Buffer.from(JSON.stringify(fields)));
}

/** @param {string} type @param {Buffer} body */
function asText(type, body) {
  return { headers: /** @type {const} */ ([['Content-Type', type]]), body };
}

/** @param {Record<string, unknown>} fields */
function encode(fields) {
  return String(new URLSearchParams(Object.entries(fields).map(([name, value]) => [name, String(value)])));
}
