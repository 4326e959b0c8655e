// @ts-check
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { digest } from './random.js';

const SWEEP_MS = 15_000;

/**
 * @typedef {{ kind: 'lost' | 'wrong' | 'doubled' | 'orphan' | 'refused' | 'stuck', what: string }} Violation
 * @typedef {{ postgres: import('./postgres.js').Postgres, dataDir: string, deaths: Violation[] }} Place
 * @typedef {{ id: string, key: string, file: string, state: string, total: number, offset: number, name: string,
 *   tail_end: number | null, tail_crc: number | null, media: number | null, media_key: string | null, media_size: number | null, media_sha256: string | null }} Row
 */

/**
 * Compares rows, files and what was acknowledged. May run beside a server that takes uploads: what it knows of the
 * clients is older than the rows it reads, and those are older than the files.
 * @param {Place} place @param {readonly import('./upload.js').Upload[]} uploads @returns {Promise<Violation[]>}
 */
export async function inspect(place, uploads) {
  const known = uploads
    .filter(({ id }) => id !== undefined)
    .map(({ id, acked, mediaId }) => ({ id, acked, mediaId }));
  const rows = await Promise.all(
    (await readRows(place, uploads)).map(async (row) => ({ ...row, offset: await standing(place, row) })),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  const byName = new Map(uploads.map((upload) => [upload.name, upload]));
  const lost = known.flatMap((client) => compareWithClient(client, byId.get(client.id ?? '')));
  /** @type {Violation[]} */
  const wrong = [];
  for (const row of rows) wrong.push(...(await compareWithDisk(place, row, byName.get(row.name))));
  return [...place.deaths.splice(0), ...lost, ...wrong, ...doubled(rows)];
}

/** @param {Place} place @param {readonly import('./upload.js').Upload[]} uploads @returns {Promise<Row[]>} */
async function readRows({ postgres }, uploads) {
  return await postgres.query(
    `SELECT s.id, s.key, coalesce(s.file, s.id) AS file, s.state, s.total::float8 AS total, s."offset"::float8 AS "offset", s.tail_end::float8 AS tail_end,
            s.tail_crc::float8 AS tail_crc, s.file_name AS name,
            m.id AS media, m.key AS media_key, m.size::float8 AS media_size, m.sha256 AS media_sha256
     FROM upload_session s LEFT JOIN media m ON m.upload_id = s.id WHERE s.file_name = ANY($1)`,
    [uploads.map(({ name }) => name)],
  );
}

/** A tail counts if its bytes are there. @param {Place} place @param {Row} row */
async function standing({ dataDir }, { offset, tail_end, tail_crc, file, key }) {
  if (tail_end === null) return offset;
  const tail = (await readStored(dataDir, { file, key }))?.subarray(offset, tail_end);
  return tail?.length === tail_end - offset && crc32(tail) === tail_crc ? tail_end : offset;
}

/** @param {{ id: string | undefined, acked: number, mediaId: number | undefined }} client @param {Row | undefined} row @returns {Violation[]} */
function compareWithClient({ id, acked, mediaId }, row) {
  if (!row) return [{ kind: 'lost', what: `upload ${id} has no row, ${acked} bytes were acknowledged` }];
  if (row.offset < acked)
    return [{ kind: 'lost', what: `upload ${id} stands at ${row.offset}, acknowledged ${acked}` }];
  if (mediaId !== undefined && row.media !== mediaId)
    return [{ kind: 'lost', what: `upload ${id} has media ${row.media}, acknowledged ${mediaId}` }];
  return [];
}

/** @param {Place} place @param {Row} row @param {import('./upload.js').Upload | undefined} upload @returns {Promise<Violation[]>} */
async function compareWithDisk({ dataDir }, row, upload) {
  if (!upload || (row.state !== 'open' && row.state !== 'complete')) return [];
  const { content } = upload;
  if (upload.done) upload.bytes = undefined;
  if (row.media !== null) return await compareMedia(dataDir, row, content);
  const stored = await readStored(dataDir, row);
  if (stored?.subarray(0, row.offset).equals(content.subarray(0, row.offset))) return [];
  const found = stored ? `${stored.length} bytes, ${sameBytes(stored, content)} of them right` : 'no file';
  return [{ kind: 'wrong', what: `upload ${row.id} at ${row.offset} of ${row.total}: ${found}` }];
}

/** @param {string} dataDir @param {Row} row @param {Buffer} content @returns {Promise<Violation[]>} */
async function compareMedia(dataDir, { media, media_key, media_size, media_sha256 }, content) {
  const stored = await read(join(dataDir, 'files', media_key ?? ''));
  const right =
    stored?.equals(content) && media_size === content.length && media_sha256 === digest('sha256', content);
  return right
    ? []
    : [{ kind: 'wrong', what: `media ${media} of ${content.length} bytes: file ${stored?.length}` }];
}

/** A completion that crashed may have renamed it, or does so just now. @param {string} dataDir @param {Pick<Row, 'file' | 'key'>} row */
async function readStored(dataDir, { file, key }) {
  return (await read(join(dataDir, 'uploads', file))) ?? (await read(join(dataDir, 'files', key)));
}

/** @param {readonly Row[]} rows @returns {Violation[]} */
function doubled(rows) {
  const names = rows.filter(({ media }) => media !== null).map(({ name }) => name);
  return names
    .filter((name, index) => names.indexOf(name) !== index)
    .map((name) => ({ kind: 'doubled', what: `${name} became more than one media` }));
}

/** What clients saw. @param {readonly import('./upload.js').Upload[]} uploads @returns {Violation[]} */
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

/** After the sweeper's delay no file is left that no row knows. @param {Place} place @returns {Promise<Violation[]>} */
export async function afterSweep(place) {
  const deadline = Date.now() + SWEEP_MS;
  for (;;) {
    const left = await orphans(place);
    if (left.length === 0 || Date.now() > deadline) return left;
    await sleep(200);
  }
}

/** @param {Place} place @returns {Promise<Violation[]>} */
async function orphans({ postgres, dataDir }) {
  const uploads = await readdir(join(dataDir, 'uploads'));
  const files = await readdir(join(dataDir, 'files'));
  const rows =
    await postgres.query(`SELECT coalesce(file, id) AS name FROM upload_session WHERE state = 'open'
    UNION ALL SELECT key FROM upload_session WHERE state = 'open' UNION ALL SELECT key FROM media`);
  const names = new Set(rows.map(({ name }) => name));
  return [...uploads, ...files]
    .filter((name) => !names.has(name))
    .map((name) => ({ kind: 'orphan', what: `${name} is of no row` }));
}

/** @param {string} path */
async function read(path) {
  return await readFile(path).catch(() => undefined);
}

/** @param {Buffer} a @param {Buffer} b */
function sameBytes(a, b) {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a[at] === b[at]) at++;
  return at;
}
