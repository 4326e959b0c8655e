// @ts-check
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { Random } from '../random.js';
import { figures } from '../report.js';
import { plainUpload } from '../upload.js';
import { lastLook } from './kill.js';

const CHUNK_BYTES = 204_800;
const CHUNKS = 6;
/** Chunks that alternate between servers may take at most this many times as long as those that do not. */
const MAX_RATIO = 2;

/**
 * Two servers get the chunks of an upload at random. Nothing that was written before may be copied, except for a chunk
 * that is announced when the other server takes over. Runs alternate with runs on one server, to compare times.
 * @param {import('../report.js').Options} options
 */
export async function* turns({ checkout, seed, runs = 6, seconds, short }) {
  yield* inPlace(checkout, async function* (place) {
    const servers = [await place.startServer(), await place.startServer()];
    /** @type {number[]} */
    const ratios = [];
    // The median of several runs, because the machine may be busy.
    for (let run = 0; run < (short ? 3 : runs); run++) {
      const count = short ? 16 : 60;
      const atOnce = run % 2 === 0 ? 8 : 1;
      const name = `${seed}-turns-${run}`;
      const alone = await round(place, servers.slice(0, 1), `${name}-alone`, count, atOnce, seconds);
      const turned = await round(place, servers, name, count, atOnce, seconds);
      ratios.push(turned.milliseconds / alone.milliseconds);
      yield { layer: 'turns', run, ...lineOf(name, atOnce, [alone, turned]) };
    }
    const violations = await lastLook(place, []);
    const ratio = median(ratios);
    if (ratio > MAX_RATIO)
      violations.push({ kind: 'stuck', what: `turns take ${ratio.toFixed(2)} times as long` });
    yield { layer: 'turns', last: true, median_ratio: ratio.toFixed(2), ...figures([], violations) };
  });
}

/** @typedef {Awaited<ReturnType<typeof round>>} Round */

/** @param {string} seed @param {number} atOnce @param {readonly [Round, Round]} rounds */
function lineOf(seed, atOnce, [alone, turned]) {
  return {
    seed,
    at_once: String(atOnce),
    alone_ms: Math.round(alone.milliseconds),
    turns_ms: Math.round(turned.milliseconds),
    ratio: (turned.milliseconds / alone.milliseconds).toFixed(2),
    changes: turned.changes,
    parts: turned.parts,
    copied_bytes: turned.copied,
    copied_tails: turned.tails,
    ...figures([...alone.uploads, ...turned.uploads], [...alone.violations, ...turned.violations]),
  };
}

/**
 * Sends all chunks before anything is completed.
 * @param {import('../place.js').Place} place @param {readonly import('../server.js').Server[]} servers
 * @param {string} seed @param {number} count @param {number} concurrency @param {number} seconds
 */
async function round(place, servers, seed, count, concurrency, seconds) {
  const random = new Random(seed);
  let [changes, last] = [0, servers[0]];
  const target = {
    token: servers[0]?.token ?? '',
    get url() {
      const server = random.pick(servers);
      if (server !== last) changes++;
      last = server;
      return server.url;
    },
  };
  const uploads = Array.from({ length: count }, (_, index) => uploadOf(`${seed}-${index}.bin`));
  // Generates the contents before the clock starts.
  if (uploads.some(({ content }) => content.length === 0)) throw new Error('An upload has bytes');
  const start = performance.now();
  const sending = new Load(uploads.map(untilWhole), target, { concurrency, seconds });
  await sending.done;
  const milliseconds = performance.now() - start;
  const violations = [...(await inspect(place, uploads))];
  const stored = await storedBytes(place, uploads, violations);
  await new Load(uploads, target, { concurrency, seconds }).done;
  violations.push(...(await inspect(place, uploads)));
  return { milliseconds, changes, uploads, violations, ...stored };
}

/** @param {string} name */
function uploadOf(name) {
  const upload = plainUpload(name, CHUNKS * CHUNK_BYTES);
  upload.chunkBytes = CHUNK_BYTES;
  return upload;
}

/**
 * A client that stops before the completion.
 * @param {import('../upload.js').Upload} upload @returns {import('../upload.js').Upload}
 */
function untilWhole(upload) {
  return Object.assign(Object.create(upload), {
    run: async (/** @type {import('../http.js').Target} */ target) => {
      while (upload.acked < upload.total && upload.complaints.length === 0) await upload.append(target);
    },
  });
}

/**
 * Parts contain the bytes that were sent, and each at most one adopted tail besides.
 * @param {import('../place.js').Place} place @param {readonly import('../upload.js').Upload[]} uploads
 * @param {import('../oracles.js').Violation[]} violations
 */
async function storedBytes({ postgres, dataDir }, uploads, violations) {
  const rows = await postgres.query(
    `SELECT name, start::float8 AS start, upload_id,
            coalesce(lead(start) OVER (PARTITION BY upload_id ORDER BY start), total)::float8 AS "end"
     FROM upload_part JOIN upload_session ON id = upload_id WHERE upload_id = ANY($1)`,
    [uploads.map(({ id }) => id)],
  );
  let [copied, tails] = [0, 0];
  for (const { name, start, end } of rows) {
    const { size } = await stat(join(dataDir, 'uploads', name));
    const more = size - (end - start);
    copied += more;
    if (more > 0) tails++;
    if (more !== 0 && more !== CHUNK_BYTES)
      violations.push({ kind: 'wrong', what: `part ${name} has ${more} bytes more than its range` });
  }
  const named = new Set(rows.map(({ name }) => name));
  const ids = new Set(uploads.map(({ id }) => id));
  for (const name of await readdir(join(dataDir, 'uploads')))
    if (ids.has(name.split('.')[0]) && !named.has(name))
      violations.push({ kind: 'orphan', what: `${name} has no row` });
  return { parts: rows.length, copied, tails };
}

/** @param {readonly number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
