// @ts-check
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { figures, seldomStruck } from '../report.js';
import { uploadId } from '../seeded-ids.js';
import { descriptorOf, noStrace, parse, pathsOf, predictable, Trace } from '../trace.js';
import { plainUpload } from '../upload.js';
import { lastLook } from './kill.js';

const BYTES = 30_000;
/** Calls that only read. They are crash points, but their failure does not affect storing. */
const FULL = ['ENOSPC', 'EDQUOT'];
const ERRORS = ['EIO', 'EMFILE', ...FULL];
/** Calls whose failure must be reported, because nothing is stored without them. */
const STORING = /^(openat|pwrite|write|fsync|fdatasync|ftruncate|rename|link|unlink|chmod|fchmodat)/;
/** After a failure of these, the kernel may have dropped the bytes, so that file must not be used again. */
const WRITING = /^(pwrite|write|fsync|fdatasync|ftruncate)/;
/** Calls with an effect: a crash before and a crash after are two points. */
export const CHANGING = /^(pwrite|write|fsync|fdatasync|ftruncate|rename|link|unlink|chmod|fchmodat)/;

/**
 * kill -9 before every file call of some uploads, and after each one that changes something.
 * @param {import('../report.js').Options} options
 */
export async function* syscalls(options) {
  const skipped = noStrace();
  if (skipped) {
    yield { layer: 'syscalls', skipped };
    return;
  }
  yield* inPlace(options.checkout, async function* (place) {
    const other = await place.startServer(predictable(OTHER));
    const points = (await pointsOf(place, options.seed, other)).flatMap((point) =>
      CHANGING.test(point.name) ? [point, { ...point, after: true }] : [point],
    );
    const all = [...chosen(points, options), ...idlePoints(options)];
    let kills = 0;
    for (const [run, point] of all.entries()) {
      const result = await killAt(place, point, `${options.seed}-syscalls-${run}`, options.seconds, other);
      kills += result.kills;
      yield { layer: 'syscalls', run, ...result };
    }
    const violations = [...(await lastLook(place, [])), ...seldomStruck(all.length, kills)];
    yield { layer: 'syscalls', last: true, points: points.length, ...figures([], violations) };
  });
}

/** Every error at every file call of one upload. @param {import('../report.js').Options} options */
export async function* errors(options) {
  const skipped = noStrace();
  if (skipped) {
    yield { layer: 'errors', skipped };
    return;
  }
  yield* inPlace(options.checkout, async function* (place) {
    const other = await place.startServer(predictable(OTHER));
    const points = await pointsOf(place, options.seed, other);
    // Writing 0 bytes is the only short write that strace can fake without the bytes being on disk.
    const faults = points.flatMap((point) => [
      ...errorsOf(point).map((error) => ({ ...point, fault: `error=${error}` })),
      ...(point.name.startsWith('pwrite') ? [{ ...point, fault: 'retval=0' }] : []),
    ]);
    const client = new ErrorRuns(place, options, other);
    const idle = idlePoints(options).map((point) => ({ ...point, fault: 'error=EIO' }));
    const all = [...chosen(faults, options), ...idle];
    let struckRuns = 0;
    for (const [run, fault] of all.entries()) {
      const line = await client.run(fault, run);
      if (line.injected > 0) struckRuns++;
      yield line;
    }
    const violations = [...(await lastLook(place, [])), ...seldomStruck(all.length, struckRuns)];
    yield { layer: 'errors', last: true, points: faults.length, ...figures([], violations) };
  });
}

/** Errors that a call can return. Reading cannot fail for lack of space. @param {Point} point */
function errorsOf({ name }) {
  return /^p?read/.test(name) ? ERRORS.filter((error) => !FULL.includes(error)) : ERRORS;
}

/** How many ids `driven` takes: three for uploads, two for finished files, and some more for what is repeated. */
const IDS = 7;

/** Seed of the part names of the server that is not traced. */
const OTHER = 'other';

/**
 * @typedef {{ name: string, k: number, after?: boolean, idle?: boolean }} Point the k-th call of that name: before it, or after it
 */

/** Closing a file that has been idle for some seconds. The first close is that of the directory. @type {Point} */
const IDLE_CLOSE = { name: 'close', k: 2, idle: true };
/** Time limit for reaching a call, and how long a finished call is held up, which is longer. */
const COMES_MS = 20_000;
export const HELD_UP_MS = 40_000;

/**
 * All points, or in a short run some at even distances.
 * @template T @param {readonly T[]} all @param {import('../report.js').Options} options
 */
export function chosen(all, { runs, short }) {
  const count = runs !== undefined && (runs > 1 || !short) ? runs : short ? 4 : all.length;
  return all.filter(
    (_, index) => Math.floor((index * count) / all.length) !== Math.floor(((index - 1) * count) / all.length),
  );
}

/**
 * Only in full runs, because it takes seconds until a file is idle.
 * @param {import('../report.js').Options} options @returns {Point[]}
 */
function idlePoints({ short, runs }) {
  return short || runs !== undefined ? [] : [IDLE_CLOSE];
}

/**
 * Finds all calls, in a run without faults.
 * @param {import('../place.js').Place} place @param {string} seed @param {import('../server.js').Server} other
 * @returns {Promise<Point[]>}
 */
async function pointsOf(place, seed, other) {
  const ids = `${seed}-dry`;
  const server = await place.startServer(predictable(ids));
  const trace = await Trace.attach(server.pid, watch(place, ids, 0), join(place.root, 'dry.log'));
  await driven(place, `${seed}-dry`, 60, { other }).done;
  const calls = await trace.detach();
  return countsOf(calls);
}

/**
 * Identifies each call by name and number, which is how strace counts them per thread.
 * @param {readonly import('../trace.js').Call[]} calls @returns {Point[]}
 */
export function countsOf(calls) {
  /** @type {Record<string, Record<number, number>>} */
  const counts = {};
  for (const { name, thread } of calls) {
    const ofName = (counts[name] ??= {});
    ofName[thread] = (ofName[thread] ?? 0) + 1;
  }
  return Object.entries(counts)
    .sort(([a], [b]) => rank(a) - rank(b))
    .flatMap(([name, threads]) =>
      Array.from({ length: Math.max(...Object.values(threads)) }, (_, index) => ({ name, k: index + 1 })),
    );
}

/** Puts the most critical calls first, to find a broken server soon. @param {string} name */
function rank(name) {
  const first = ['pwrite64', 'fsync', 'rename'].indexOf(name);
  return first === -1 ? 3 : first;
}

/**
 * All paths of the uploads that `driven` sends.
 * @param {import('../place.js').Place} place @param {string} ids @param {number} n
 */
function watch({ dataDir }, ids, n) {
  const paths = Array.from({ length: IDS }, (_, index) => pathsOf(dataDir, ids, n + index, [OTHER])).flat();
  return ['-e', 'trace=%file,%desc', ...[...new Set(paths)].flatMap((path) => ['-P', path])];
}

/**
 * Sends an upload with one part, one with many parts, then one that is cancelled; for an idle file, one that pauses.
 * Some chunks of the second one go to another server, whose tail is adopted then.
 * @param {import('../place.js').Place} place @param {string} name @param {number} seconds
 * @param {{ pause?: (() => Promise<void>) | undefined, target?: import('../http.js').Target,
 *   other?: import('../http.js').Target | undefined, prepare?: (upload: import('../upload.js').Upload) => void }}
 * [options]
 */
export function driven(place, name, seconds, options = {}) {
  const { pause, target = place.target, other = target, prepare = () => undefined } = options;
  const [one, many, cancelled] = /** @type {import('../upload.js').Upload[]} */ (
    ['a', 'b', 'c'].map((letter) => plainUpload(`${name}-${letter}.txt`, BYTES))
  );
  if (!one || !many || !cancelled) throw new Error('There are three');
  if (pause) one.pause = pause;
  many.chunkBytes = BYTES / 6;
  many.asks = true;
  many.detour = { target: other, from: BYTES / 3, to: (2 * BYTES) / 3 };
  cancelled.cancels = true;
  const uploads = pause ? [one] : [one, many, cancelled];
  uploads.forEach(prepare);
  return new Load(uploads, target, { concurrency: 1, seconds });
}

/** Resolves when the call has been reached. @param {Trace} trace @param {import('../server.js').Server} server */
export async function untilStruck({ log }, server) {
  const deadline = Date.now() + COMES_MS;
  while (server.running && Date.now() < deadline) {
    if (struck(parse(await readFile(log, 'utf8'))).length > 0) return;
    await sleep(20);
  }
}

/**
 * Kills strace too: the server could not die while strace holds its call up.
 * @param {Trace} trace @param {import('../server.js').Server} server
 */
export async function killHeldUp(trace, server) {
  const killed = server.kill();
  trace.child.kill('SIGKILL');
  await killed;
}

/** @param {readonly import('../trace.js').Call[]} calls */
function struck(calls) {
  return calls.filter(({ text }) => /\((INJECTED|DELAYED)\)/.test(text));
}

/**
 * @param {import('../place.js').Place} place @param {Point} point @param {string} seed @param {number} seconds
 * @param {import('../server.js').Server} other
 */
async function killAt(place, { name, k, after = false, idle = false }, seed, seconds, other) {
  await place.killServers(other);
  const server = await place.startServer(predictable(seed));
  const fate = after ? `delay_exit=${HELD_UP_MS * 1000}` : 'signal=KILL';
  const args = [...watch(place, seed, 0), '-e', `inject=${name}:${fate}:when=${k}`];
  const trace = await Trace.attach(server.pid, args, join(place.root, 'kill.log'));
  const load = driven(place, seed, seconds, {
    other,
    pause: idle ? () => untilStruck(trace, server) : undefined,
  });
  if (after)
    await Promise.race([load.done, untilStruck(trace, server).then(() => killHeldUp(trace, server))]);
  await Promise.race([load.done, server.exit]);
  const kills = server.running ? 0 : 1;
  const violations = await inspect(place, load.uploads);
  if (idle && !kills) violations.push({ kind: 'stuck', what: 'an idle file stays open' });
  if (kills) await place.startServer(predictable(`${seed}-again`));
  await trace.detach();
  await load.done;
  violations.push(...(await inspect(place, load.uploads)));
  const at = `${after ? 'after ' : ''}${name} ${k}${idle ? ' idle' : ''}`;
  return { seed, at, kills, ...figures(load.uploads, violations) };
}

/** The server is the same in all runs. Where each one starts among its ids follows from the last upload before. */
class ErrorRuns {
  /**
   * @param {import('../place.js').Place} place @param {import('../report.js').Options} options
   * @param {import('../server.js').Server} other
   */
  constructor(place, { seed, seconds }, other) {
    this.other = other;
    this.place = place;
    this.seed = `${seed}-errors`;
    this.seconds = seconds;
    this.ids = '';
    this.firstId = 0;
    /** @type {import('../server.js').Server | undefined} */
    this.server = undefined;
  }

  /** @param {Point & { fault: string }} point @param {number} run */
  async run({ name, k, fault, idle = false }, run) {
    const { place, seed } = this;
    if (!this.server?.running) {
      this.ids = `${seed}-${run}`;
      this.server = await place.startServer(predictable(this.ids));
      this.firstId = 0;
    }
    const { server } = this;
    const inject = ['-e', `inject=${name}:${fault}:when=${k}`];
    const args = [...watch(place, this.ids, this.firstId), ...inject];
    const trace = await Trace.attach(server.pid, args, join(place.root, 'error.log'));
    /** @type {import('../oracles.js').Violation[]} */
    const announced = [];
    const load = driven(place, `${seed}-${run}`, this.seconds, {
      other: this.other,
      pause: idle ? () => untilStruck(trace, server) : undefined,
      prepare: (upload) => {
        // Only the disk fails here, so no response is lost.
        upload.exact = true;
        upload.onFailure = async () => void announced.push(...(await untrue(place, upload)));
      },
    });
    await Promise.race([load.done, server.exit]);
    const calls = await trace.detach();
    await load.done;
    const ids = Array.from({ length: IDS }, (_, index) => uploadId(this.ids, this.firstId + index));
    this.firstId += ids.indexOf(load.uploads.at(-1)?.id ?? '') + 1;
    const violations = [
      ...announced,
      ...(await inspect(place, load.uploads)),
      ...(await leftovers(place, load.uploads)),
      ...load.uploads.flatMap((upload) => unexpected(upload, fault)),
      ...aftermath(calls, load.uploads),
    ];
    if (idle && struck(calls).length === 0)
      violations.push({ kind: 'stuck', what: 'an idle file stays open' });
    return {
      layer: 'errors',
      run,
      at: `${name} ${k} ${fault}${idle ? ' idle' : ''}`,
      injected: struck(calls).length,
      answers: load.uploads.flatMap(({ failures }) => failures.map(({ status }) => status)),
      ...figures(load.uploads, violations),
    };
  }
}

/**
 * Finds a row that still announces a chunk whose failure was reported.
 * @param {import('../place.js').Place} place @param {import('../upload.js').Upload} upload
 * @returns {Promise<import('../oracles.js').Violation[]>}
 */
async function untrue({ postgres }, { id, acked }) {
  const rows = await postgres.query(
    'SELECT id FROM upload_session WHERE id = $1 AND coalesce(tail_end, "offset") > $2',
    [id, acked],
  );
  return rows.map(() => ({ kind: 'wrong', what: `upload ${id} announces a chunk that failed` }));
}

/**
 * A first chunk that failed has no row.
 * @param {import('../place.js').Place} place @param {readonly import('../upload.js').Upload[]} uploads
 * @returns {Promise<import('../oracles.js').Violation[]>}
 */
async function leftovers({ postgres }, uploads) {
  const rows = await postgres.query('SELECT id FROM upload_session WHERE file_name = ANY($1)', [
    uploads.map(({ name }) => name),
  ]);
  const known = new Set(uploads.map(({ id }) => id));
  return rows
    .filter(({ id }) => !known.has(id))
    .map(({ id }) => ({ kind: 'wrong', what: `upload ${id} exists, although its first chunk failed` }));
}

/**
 * A fault must be reported and must not last: no response hides it, its file is closed and never written to again, and
 * the next attempt succeeds. @param {readonly import('../trace.js').Call[]} calls @param {readonly
 * import('../upload.js').Upload[]} uploads
 * @returns {import('../oracles.js').Violation[]}
 */
function aftermath(calls, uploads) {
  const failed = struck(calls).filter(({ text }) => / = -1 /.test(text));
  const answers = uploads.reduce((sum, { failures }) => sum + failures.length, 0);
  const hidden =
    answers === 0 ? failed.filter((call) => STORING.test(call.name) && !isLeft(calls, call)) : [];
  const writing = failed.filter(({ name }) => WRITING.test(name));
  return [
    ...hidden.map(({ name }) => `${name} failed, and no answer said so`),
    ...writing
      .filter((call) => !closedNext(calls, call))
      .map(({ name }) => `${name} failed, and its file stays open`),
    ...writing
      .filter((call) => writtenAgain(calls, call))
      .map(({ name }) => `${name} failed, and its part goes on`),
    ...(answers > failed.length ? [`${failed.length} faults made ${answers} requests fail`] : []),
  ].map((what) => ({ kind: 'refused', what }));
}

/**
 * Whether a failed removal after a completion may be left to the sweeper.
 * @param {readonly import('../trace.js').Call[]} calls @param {import('../trace.js').Call} failed
 */
function isLeft(calls, failed) {
  const [, upload] = /uploads\/([0-9a-f]{32})\./.exec(failed.text) ?? [];
  const finished = calls.some(
    ({ name, text, ended }) => /^rename/.test(name) && text.includes(`${upload}.`) && ended < failed.begun,
  );
  return /^unlink/.test(failed.name) && finished;
}

/** @param {readonly import('../trace.js').Call[]} calls @param {import('../trace.js').Call} failed */
function closedNext(calls, failed) {
  const descriptor = descriptorOf(failed);
  const next = calls.find((call) => call.begun > failed.begun && descriptorOf(call) === descriptor);
  return next?.name === 'close';
}

/** @param {readonly import('../trace.js').Call[]} calls @param {import('../trace.js').Call} failed */
function writtenAgain(calls, failed) {
  const [, path] = /<([^>]*)>/.exec(failed.text) ?? [];
  return calls.some(
    ({ name, text, begun }) => /^p?write/.test(name) && text.includes(`<${path}>`) && begun > failed.begun,
  );
}

/**
 * A fault of the disk must cause a 503, or a 507 if the disk is full.
 * @param {import('../upload.js').Upload} upload @param {string} fault @returns {import('../oracles.js').Violation[]}
 */
function unexpected({ name, failures }, fault) {
  const untold =
    failures.length > 0 && /ENOSPC|EDQUOT/.test(fault) && failures.every(({ status }) => status !== 507);
  const odd = failures.filter(
    ({ status, type }) => ![503, 507].includes(status) || !type.startsWith('application/problem+json'),
  );
  return [
    ...odd.map(({ status, type }) => `${name}: answered ${status} ${type}`),
    ...(untold ? [`${name}: nothing said that the disk is full`] : []),
  ].map((what) => ({ kind: 'refused', what }));
}
