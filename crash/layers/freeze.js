// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { Hold } from '../hold.js';
import { sendChunk, sendComplete } from '../http.js';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { contentOf, digest, Random } from '../random.js';
import { figures } from '../report.js';
import { plainUpload } from '../upload.js';
import { Wire } from '../wire.js';
import { lastLook } from './kill.js';

/** The server's idle_in_transaction_session_timeout of 15 s, plus lock timeouts and retries. */
const GO_ON_MS = 25_000;
const CHUNK_BYTES = 10_000;
const CHUNKS = 5;

/**
 * Where a server is frozen. Between write and commit of a chunk nothing is locked. In the transaction of a completion
 * the row is locked, and before the COMMIT of a first chunk its user.
 * @typedef {'any' | 'commit chunk' | 'announce' | 'confirm' | 'adopt' | 'BEGIN' | 'media' | 'COMMIT' | 'open'} Moment
 * @type {readonly Moment[]}
 */
const UNDER_LOAD = ['media', 'any', 'open', 'COMMIT'];
/** Moments without an open transaction. @type {readonly Moment[]} */
const SOON = ['any'];
/** @type {readonly Moment[]} */
const BEFORE_COMMIT = ['commit chunk', 'announce', 'adopt', 'confirm', 'BEGIN'];

/**
 * A server is frozen, and another one continues and completes its uploads. After it thaws, it must do no harm.
 * @param {import('../report.js').Options} options
 */
export async function* freeze({ checkout, seed, runs = 3, seconds, short }) {
  yield* inPlace(checkout, async function* (place) {
    let line = 0;
    for (let run = 0; run < runs; run++) {
      for (const moment of short ? BEFORE_COMMIT.slice(0, 2) : BEFORE_COMMIT)
        for (const isSame of [true, false])
          yield {
            layer: 'freeze',
            run: line++,
            ...(await frozenCommit(place, `${seed}-commit-${line}`, moment, isSame)),
          };
      for (const moment of short ? SOON : UNDER_LOAD)
        yield {
          layer: 'freeze',
          run: line++,
          ...(await frozenUnderLoad(place, `${seed}-load-${line}`, moment, seconds)),
        };
    }
  });
}

/** @param {import('../place.js').Place} place */
async function twoServers(place) {
  await place.killServers();
  const wire = await Wire.open(place);
  const second = await place.startServer();
  const first = await place.startServer(wire.settings);
  return { wire, first, second };
}

/**
 * Holds one request between write and commit while another server gets the same chunk, with the same bytes or others,
 * and completes the upload. @param {import('../place.js').Place} place @param {string} seed @param {Moment} moment
 * @param {boolean} isSame
 */
export async function frozenCommit(place, seed, moment, isSame) {
  const { wire, first, second } = await twoServers(place);
  const upload = plainUpload(`${seed}.txt`, CHUNKS * CHUNK_BYTES);
  upload.chunkBytes = CHUNK_BYTES;
  await bringTo(moment, upload, first, second);
  const hold = new Hold(wire, first, /** @type {Exclude<Moment, 'any'>} */ (moment));
  const late = ask(
    first,
    upload,
    moment === 'BEGIN' || isSame ? upload.content : contentOf(`${seed} other`, upload.total),
  );
  /** @type {import('../oracles.js').Violation[]} */
  const violations = [];
  if (!(await hold.reached())) violations.push({ kind: 'stuck', what: `there is no statement to ${moment}` });
  const start = performance.now();
  await upload.run(second, Date.now() + GO_ON_MS);
  const took = performance.now() - start;
  violations.push(...(await inspect(place, [upload])));
  hold.thaw?.();
  const { status, body } = await late;
  const right = moment === 'BEGIN' ? [200] : isSame ? [201] : [409];
  if (!right.includes(status))
    violations.push({ kind: 'refused', what: `the late answer is ${status} ${JSON.stringify(body)}` });
  violations.push(...(await inspect(place, [upload])), ...(await lastLook(place, [upload])));
  await wire.close();
  const variant = isSame ? 'same bytes' : 'other bytes';
  return {
    seed,
    frozen: moment,
    variant,
    seconds: Math.round(took / 100) / 10,
    ...figures([upload], violations),
  };
}

/**
 * Makes sure that the next request to the first server runs that statement.
 * @param {Moment} moment @param {import('../upload.js').Upload} upload @param {import('../http.js').Target} first
 * @param {import('../http.js').Target} second
 */
async function bringTo(moment, upload, first, second) {
  const before = {
    // The last part is another server's, so the first one has to start a new one.
    'commit chunk': [second],
    announce: [first],
    adopt: [second, second],
    confirm: [first, first, first, first],
    BEGIN: [first, first, first, first, first],
  };
  for (const target of before[/** @type {keyof typeof before} */ (moment)] ?? []) await upload.append(target);
}

/**
 * Sends the next chunk, or the completion, to a server that may be slow.
 * @param {import('../http.js').Target} target @param {import('../upload.js').Upload} upload @param {Buffer} content
 */
async function ask(target, { name, id, offset: start, total }, content) {
  if (start === total) return await sendComplete(target, id ?? '', digest('md5', content));
  const bytes = content.subarray(start, start + CHUNK_BYTES);
  return await sendChunk(target, { name, bytes, start, total, id });
}

/** @param {import('../place.js').Place} place @param {string} seed @param {Moment} moment @param {number} seconds */
export async function frozenUnderLoad(place, seed, moment, seconds) {
  const { wire, first, second } = await twoServers(place);
  const random = new Random(seed);
  const target = { url: first.url, token: first.token, patienceMs: 4000 };
  const uploads = Array.from({ length: 8 }, (_, index) => manyChunks(`${seed}-${index}.txt`));
  /** @type {Hold | undefined} */
  const hold = moment === 'any' ? undefined : new Hold(wire, first, moment, random.between(1, 4));
  const load = new Load(uploads, target, { concurrency: 4, seconds });
  if (hold) await hold.reached();
  else {
    await sleep(random.between(50, 500));
    first.signal('SIGSTOP');
  }
  const start = performance.now();
  target.url = second.url;
  await load.done;
  const took = performance.now() - start;
  const violations = await inspect(place, uploads);
  if (hold) hold.thaw?.();
  else first.signal('SIGCONT');
  await sleep(500);
  const late = plainUpload(`${seed}-late.txt`, 50_000);
  await late.run({ ...target, url: first.url }, Date.now() + 10_000);
  violations.push(...(await inspect(place, [...uploads, late])), ...(await lastLook(place, uploads)));
  await wire.close();
  if (took > GO_ON_MS) violations.push({ kind: 'stuck', what: `it took ${Math.round(took)} ms to go on` });
  if (hold && !hold.isReached) violations.push({ kind: 'stuck', what: `there is no ${moment}` });
  return {
    seed,
    frozen: moment,
    seconds: Math.round(took / 100) / 10,
    ...figures([...uploads, late], violations),
  };
}

/** Enough uploads to keep the server busy all the time. @param {string} name */
function manyChunks(name) {
  const upload = plainUpload(name, 600_000);
  upload.chunkBytes = 15_000;
  return upload;
}
