// @ts-check
import { crc32 } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { digest } from './random.js';

const SWEEP_MS = 15_000;

/**
 * @typedef {{ kind: 'lost' | 'wrong' | 'doubled' | 'orphan' | 'refused' | 'stuck', what: string }} Violation
 * @typedef {import('./stores.js').Store} Store
 * @typedef {Pick<import('./place.js').Place, 'database' | 'store' | 'deaths'>} Place
 * @typedef {{ start: number, name: string }} Part
 * @typedef {{ id: string, state: string, total: number, offset: number, name: string, parts: Part[],
 *   part: string | null, tail_part: string | null, tail_end: number | null, tail_crc: number | null,
 *   media: number | null, media_key: string | null, media_size: number | null, media_sha256: string | null }} Row
 */

/**
 * Compares rows, files and what was acknowledged. May run while servers accept uploads, because it reads the state of
 * the clients before the rows, and the rows before the files.
 * @param {Place} place @param {readonly import('./upload.js').Upload[]} uploads @returns {Promise<Violation[]>}
 */
export async function inspect(place, uploads) {
  const known = uploads
    .filter(({ id }) => id !== undefined)
    .map(({ id, acked, mediaId }) => ({ id, acked, mediaId }));
  const rows = await readRows(place, uploads);
  const clients = new Map(known.map((client) => [client.id, client]));
  const byName = new Map(uploads.map((upload) => [upload.name, upload]));
  const present = new Set(rows.map(({ id }) => id));
  /** @type {Violation[]} */
  const found = known.filter(({ id }) => !present.has(id ?? '')).map(({ id, acked }) => gone(id, acked));
  for (const row of rows) {
    const upload = byName.get(row.name);
    if (upload) found.push(...(await faultsOf(place, row, upload, clients.get(row.id))));
  }
  return [...place.deaths.splice(0), ...found, ...doubled(rows)];
}

/** @param {string | undefined} id @param {number} acked @returns {Violation} */
function gone(id, acked) {
  return { kind: 'lost', what: `upload ${id} has no row, ${acked} bytes were acknowledged` };
}

/** @typedef {{ id: string | undefined, acked: number, mediaId: number | undefined }} Client */

/**
 * If a row changes while it is compared, it is read again.
 * @param {Place} place @param {Row} row @param {import('./upload.js').Upload} upload @param {Client | undefined} client
 * @returns {Promise<Violation[]>}
 */
async function faultsOf(place, row, upload, client) {
  const before = JSON.stringify(row);
  const wrong = partFaults(row);
  row.offset = await standing(place, row);
  wrong.push(...(await compareWithStore(place, row, upload)));
  if (client) wrong.push(...compareWithClient(client, row));
  if (wrong.length === 0) return [];
  const again = (await readRows(place, [upload])).find(({ id }) => id === row.id);
  const isSame = !again || JSON.stringify(again) === before;
  return isSame ? wrong : await faultsOf(place, again, upload, client);
}

/** @param {Place} place @param {readonly import('./upload.js').Upload[]} uploads @returns {Promise<Row[]>} */
async function readRows({ database }, uploads) {
  return await database.query(
    `SELECT s.id, s.state, s.total::float8 AS total, s."offset"::float8 AS "offset", s.file_name AS name,
            s.part, s.tail_part, s.tail_end::float8 AS tail_end, s.tail_crc::float8 AS tail_crc,
            (SELECT coalesce(json_agg(json_build_object('start', p.start, 'name', p.name) ORDER BY p.start), '[]')
             FROM upload_part p WHERE p.upload_id = s.id) AS parts,
            m.id AS media, m.key AS media_key, m.size::float8 AS media_size, m.sha256 AS media_sha256
     FROM upload_session s LEFT JOIN media m ON m.upload_id = s.id WHERE s.file_name = ANY($1)`,
    [uploads.map(({ name }) => name)],
  );
}

/**
 * The parts of an open upload start at 0, none is empty, and its row names the last one.
 * @param {Row} row @returns {Violation[]}
 */
function partFaults({ id, state, offset, parts, part, tail_part }) {
  if (state !== 'open') return [];
  const last = parts.at(-1);
  const faults = [
    ...(parts[0]?.start === 0 ? [] : ['no part begins it']),
    ...(parts.every(({ start }) => start < offset) ? [] : [`a part begins past its offset ${offset}`]),
    ...(last?.name === (part ?? tail_part) ? [] : ['its row does not name its last part']),
    ...(parts.every(({ name }) => name.startsWith(id) && './'.includes(name.charAt(id.length)))
      ? []
      : ['a part is named after another upload']),
  ];
  return faults.map((what) => ({ kind: 'wrong', what: `upload ${id}: ${what}: ${JSON.stringify(parts)}` }));
}

/** A tail counts if its bytes are there. @param {Place} place @param {Row} row */
async function standing({ store }, row) {
  const { offset, tail_end } = row;
  if (tail_end === null) return offset;
  const tail = (await readStored(store, row, tail_end))?.subarray(offset, tail_end);
  return tail?.length === tail_end - offset && crc32(tail) === row.tail_crc ? tail_end : offset;
}

/** @param {Client} client @param {Row} row @returns {Violation[]} */
function compareWithClient({ id, acked, mediaId }, row) {
  if (row.offset < acked)
    return [{ kind: 'lost', what: `upload ${id} stands at ${row.offset}, acknowledged ${acked}` }];
  if (mediaId !== undefined && row.media !== mediaId)
    return [{ kind: 'lost', what: `upload ${id} has media ${row.media}, acknowledged ${mediaId}` }];
  return [];
}

/**
 * @param {Place} place @param {Row} row @param {import('./upload.js').Upload} upload @returns {Promise<Violation[]>}
 */
async function compareWithStore({ store }, row, upload) {
  if (row.state !== 'open' && row.state !== 'complete') return [];
  const { content } = upload;
  if (upload.done) upload.bytes = undefined;
  if (row.media !== null) return await compareMedia(store, row, content);
  const stored = await readStored(store, row, row.offset);
  if (stored?.equals(content.subarray(0, row.offset))) return [];
  const found = stored ? `${stored.length} bytes, ${sameBytes(stored, content)} of them right` : 'no file';
  return [{ kind: 'wrong', what: `upload ${row.id} at ${row.offset} of ${row.total}: ${found}` }];
}

/** @param {Store} store @param {Row} row @param {Buffer} content @returns {Promise<Violation[]>} */
async function compareMedia(store, { media, media_key, media_size, media_sha256 }, content) {
  const stored = await store.read('files', media_key ?? '');
  const right =
    stored?.equals(content) && media_size === content.length && media_sha256 === digest('sha256', content);
  return right
    ? []
    : [{ kind: 'wrong', what: `media ${media} of ${content.length} bytes: file ${stored?.length}` }];
}

/**
 * The first `end` bytes of an upload, or fewer if a completion is removing the parts.
 * @param {Store} store @param {Row} row @param {number} end
 */
async function readStored(store, { parts, media_key }, end) {
  const pieces = await Promise.all(
    parts.map(async ({ name, start }, index) => {
      const length = (parts[index + 1]?.start ?? end) - start;
      const piece = (await store.read('uploads', name))?.subarray(0, length);
      return piece?.length === length ? piece : undefined;
    }),
  );
  const present = pieces.filter((piece) => piece !== undefined);
  if (present.length === parts.length && parts.length > 0) return Buffer.concat(present);
  return media_key === null ? undefined : (await store.read('files', media_key))?.subarray(0, end);
}

/** @param {readonly Row[]} rows @returns {Violation[]} */
function doubled(rows) {
  const names = rows.filter(({ media }) => media !== null).map(({ name }) => name);
  return names
    .filter((name, index) => names.indexOf(name) !== index)
    .map((name) => ({ kind: 'doubled', what: `${name} became more than one media` }));
}

/** Complaints of clients. @param {readonly import('./upload.js').Upload[]} uploads @returns {Violation[]} */
export function complaints(uploads) {
  return uploads.flatMap(({ name, complaints }) =>
    complaints.map((what) => ({ kind: kindOf(what), what: `${name}: ${what}` })),
  );
}

/** @param {string} complaint @returns {Violation['kind']} */
function kindOf(complaint) {
  const kinds = /** @type {const} */ (['lost', 'wrong', 'doubled', 'stuck']);
  return kinds.find((kind) => complaint.startsWith(kind)) ?? 'refused';
}

/**
 * After the sweeper's delay no file is left without a row. After a crash, a completed upload may keep its parts until
 * it would have expired. @param {Place} place @returns {Promise<Violation[]>} */
export async function afterSweep(place) {
  const deadline = Date.now() + SWEEP_MS;
  for (;;) {
    const left = await orphans(place);
    if (left.length === 0 || Date.now() > deadline) return left;
    await sleep(200);
  }
}

/** @param {Place} place @returns {Promise<Violation[]>} */
async function orphans({ database, store }) {
  const uploads = await store.list('uploads');
  const files = await store.list('files');
  const rows = await database.query(`
    SELECT p.name FROM upload_part p JOIN upload_session s ON s.id = p.upload_id WHERE s.state IN ('open', 'complete')
    UNION ALL SELECT key FROM media`);
  const names = new Set(rows.map(({ name }) => name));
  return [...uploads, ...files]
    .filter((name) => !names.has(name))
    .map((name) => ({ kind: 'orphan', what: `${name} has no row` }));
}

/** @param {Buffer} a @param {Buffer} b */
function sameBytes(a, b) {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a[at] === b[at]) at++;
  return at;
}
