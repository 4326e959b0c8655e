// @ts-check
import { createHash } from 'node:crypto';
import { CHUNK, COMPLETE, FORM, form, open, part, range, stateOf, textOf } from '../client.js';

/**
 * @typedef {import('../client.js').Client} Client @typedef {import('../../crash/random.js').Random} Random
 * @typedef {import('../schema.js').Operation} Operation @typedef {import('../schema.js').Schema} Schema
 * @typedef {{ upload_id: string, md5: string, id: number, name: string, total: number }} World what exists
 */

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
/** Do not exist in production. */
const ABSENT = new Set(['createDevToken']);
/** Accept any value: with an unknown type, the bytes decide. */
const LENIENT = new Set(['completeUpload type']);
const OTHERS = [0, 1, true, [], ['x'], {}, null];
const TRIES = 8;

/**
 * An upload from its first chunk to its deletion, and in between calls derived from the OpenAPI document.
 * @param {Client} client @param {Random} random
 */
export async function operations(client, random) {
  const world = await upload(client, random);
  for (let left = TRIES; left > 0; left--) {
    const operation = random.pick(client.ledger.contract.operations);
    if (ABSENT.has(operation.id)) continue;
    await call(client, random, operation, world);
  }
  await ended(client, world);
}

/** @param {Client} client @param {Random} random @returns {Promise<World>} */
async function upload(client, random) {
  const picture = random.between(0, 7) === 0;
  const file = picture ? PIXEL : textOf(client, random.between(60, 600));
  const fileName = `${client.name}-${client.index}.${picture ? 'png' : 'txt'}`;
  const sent = random.between(20, file.length - 1);
  const id = await open(client, file, sent, fileName);
  const rest = {
    method: 'POST',
    target: CHUNK,
    headers: [FORM, range(sent, file.length - sent, file.length)],
    body: form([part('upload_id', id), part('image', file.subarray(sent))]),
  };
  for (let repeats = random.between(1, 3); repeats > 0; repeats--) {
    const reply = await client.send(rest);
    client.expect(reply, (status) => status === 201, 'a chunk or its repeat');
    if (reply.json?.offset !== String(file.length))
      client.find(`offset ${reply.json?.offset} after the last chunk`);
  }
  return await complete(client, id, file);
}

/** @param {Client} client @param {string} id @param {Buffer} file @returns {Promise<World>} */
async function complete(client, id, file) {
  const md5 = createHash('md5').update(file).digest('hex');
  const request = { method: 'POST', target: COMPLETE, ...asJson({ upload_id: id, md5 }) };
  const made = await client.send(request);
  client.expect(made, (status) => status === 201, 'completion');
  const again = await client.send(request);
  if (again.status !== 200 || again.json?.id !== made.json?.id)
    client.find('a repeat of completion is another');
  const url = made.json?.url ?? made.json?.image ?? '';
  return { upload_id: id, md5, id: made.json?.id, name: url.split('/').at(-1), total: file.length };
}

/** @param {Client} client @param {World} world */
async function ended(client, world) {
  const state = await stateOf(client, world.upload_id);
  if (!state.startsWith(`200 ${world.total} ${world.total} complete`))
    client.find(`a complete upload is ${state}`);
  const click = await client.send({
    method: 'POST',
    target: `/api/v2/media/${world.id}/click/`,
    token: null,
  });
  client.expect(click, (status) => status === 204, 'a click');
}

/**
 * A call that must succeed, then one that breaks a rule of the document.
 * @param {Client} client @param {Random} random @param {Operation} operation @param {World} world
 */
async function call(client, random, operation, world) {
  const { method, id } = operation;
  if (method !== 'DELETE' && id !== 'getThumbnail') {
    const good = await client.send({ method, ...valid(client, random, operation, world) });
    client.expect(good, (status) => status < 400, `a valid ${id}`);
    // The only operation that opens an upload instead of naming one.
    if (id === 'uploadFile' && good.status === 201) client.ledger.sessions++;
  }
  const { what, request } = broken(client, random, operation, world);
  if (!request) return;
  const bad = await client.send({ method, ...request });
  client.expect(bad, (status) => status >= 400, `${id} with ${what}`);
}

/** @param {Client} client @param {Random} random @param {Operation} operation @param {World} world */
function valid(client, random, operation, world, query = new URLSearchParams(), path = world) {
  const target = operation.path.replace(/\{(\w+)\}/g, (_, name) =>
    encodeURIComponent(String(path[/** @type {keyof World} */ (name)])),
  );
  const slash = random.between(0, 1) === 1 && !/^.(files|thumbnails|health)/.test(target) ? '/' : '';
  const text = String(query);
  return {
    target: `${target}${slash}${text && '?'}${text}`,
    ...bodyFor(client, random, operation, world),
  };
}

/** @param {Client} client @param {Random} random @param {Operation} operation @param {World} world */
function bodyFor(client, random, operation, world) {
  if (operation.id === 'uploadChunk') return question(world);
  if (operation.id === 'uploadFile') return wholeFile(client, random);
  return bodyOf(client, operation, world);
}

/** @param {Client} client @param {Random} random */
function wholeFile(client, random) {
  return { headers: [FORM], body: form([part('file', textOf(client, random.between(60, 600)))]) };
}

/** @param {World} world */
function question({ upload_id, total }) {
  const headers = /** @type {const} */ ([FORM, ['Content-Range', `bytes */${total}`]]);
  return { headers, body: form([part('upload_id', upload_id)]) };
}

/**
 * @param {Client} client @param {Operation} operation @param {World} world @param {Record<string, unknown>} [changes]
 */
function bodyOf({ ledger: { contract } }, { bodies }, world, changes = {}) {
  const schema = bodies['application/json'];
  if (!schema) return {};
  const names = Object.entries(contract.resolve(schema)['properties'] ?? {});
  const fields = names.map(([name, one]) => [
    name,
    world[/** @type {keyof World} */ (name)] ?? one.example ?? null,
  ]);
  return asJson({ ...Object.fromEntries(fields), owner: 'another', status: 'open', ...changes });
}

/**
 * @param {Client} client @param {Random} random @param {Operation} operation @param {World} world
 * @returns {{ what: string, request?: Omit<import('../client.js').Request, 'method'> }}
 */
function broken(client, random, operation, world) {
  const { contract } = client.ledger;
  const schema = contract.resolve(operation.bodies['application/json'] ?? {});
  const fields = Object.entries(schema['properties'] ?? {}).filter(
    ([name]) => !LENIENT.has(`${operation.id} ${name}`),
  );
  const targets = [
    ...operation.parameters.filter(
      (one) => one['in'] !== 'header' && one['name'] !== 'signature' && one['name'] !== 'expires',
    ),
    ...fields.map(([name, one]) => ({ in: 'body', name, schema: one })),
  ];
  if (targets.length === 0) return { what: 'nothing to break' };
  const { in: place, name, schema: rule } = random.pick(targets);
  if (place === 'path') {
    const value = random.pick([
      '0',
      '-1',
      '2147483648',
      '9'.repeat(20),
      'x',
      '1e1',
      '%00',
      '..%2f',
      '0'.repeat(32),
      '١',
    ]);
    const request = valid(client, random, operation, world, new URLSearchParams(), {
      ...world,
      [name]: value,
    });
    return { what: `path ${name}=${value}`, request };
  }
  // A query contains only text, and an optional field may be null.
  const wrong = (place === 'query' ? texts(rule) : [...texts(rule), ...OTHERS]).filter(
    (value) => contract.check(rule, place === 'query' ? asNumber(rule, value) : value).length > 0,
  );
  const may = schema['required']?.includes(name)
    ? [...wrong, undefined]
    : wrong.filter((value) => value !== null);
  if (may.length === 0) return { what: 'nothing that breaks it' };
  const value = random.pick(may);
  const what = `${place} ${name}=${JSON.stringify(value)?.slice(0, 60)}`;
  if (place === 'query')
    return {
      what,
      request: valid(client, random, operation, world, new URLSearchParams([[name, String(value)]])),
    };
  return {
    what,
    request: {
      ...valid(client, random, operation, world),
      ...bodyOf(client, operation, world, { [name]: value }),
    },
  };
}

/** @param {Schema} schema @returns {unknown[]} */
function texts({ minimum = 0, maximum = 2 ** 53, type, enum: values }) {
  if (type === 'number' || type === 'integer')
    return [minimum - 1, maximum + 1, 1.5, 'x', 'NaN', '1;2', '١', '0x', '1,0', '--1', 'Infinity'];
  if (values) return ['zzz', `${values[0]}s`, String(values[0]).toUpperCase(), 'null'];
  return ['a\0b', '\u0085', 'x'.repeat(256), 'x'.repeat(5001), '\u202eabc', 'zz', '\ud800'];
}

/** @param {Schema} schema @param {unknown} value */
function asNumber({ type }, value) {
  return type === 'number' || type === 'integer'
    ? Number.isInteger(Number(value))
      ? Number(value)
      : value
    : new URLSearchParams([['x', String(value)]]).get('x');
}

/** @param {object} fields */
function asJson(fields) {
  const headers = /** @type {const} */ ([['Content-Type', 'application/json']]);
  return { headers, body: Buffer.from(JSON.stringify(fields)) };
}
