// @ts-check
import { join } from 'node:path';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { figures } from '../report.js';
import { noStrace, pathsOf, predictable, Trace } from '../trace.js';
import { plainUpload } from '../upload.js';
import { lastLook } from './kill.js';

const BYTES = 30_000;
/** What is only read or asked about is a crash point too, but its failure is not one of storing. */
const ERRORS = ['EIO', 'ENOSPC', 'EMFILE', 'EDQUOT'];

/** kill -9 at every file call of one upload, one cancelled upload included. @param {import('../report.js').Options} options */
export async function* syscalls(options) {
  const skipped = noStrace();
  if (skipped) {
    yield { layer: 'syscalls', skipped };
    return;
  }
  yield* inPlace(options.checkout, async function* (place) {
    const points = await pointsOf(place, options.seed);
    for (const [run, point] of chosen(points, options).entries()) {
      yield {
        layer: 'syscalls',
        run,
        ...(await killAt(place, point, `${options.seed}-syscalls-${run}`, options.seconds)),
      };
    }
    yield { layer: 'syscalls', last: true, points: points.length, ...figures([], await lastLook(place, [])) };
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
    const points = await pointsOf(place, options.seed);
    // A write of nothing is the only short write that strace can fake without lying about the bytes on disk.
    const faults = points.flatMap((point) => [
      ...ERRORS.map((error) => ({ ...point, fault: `error=${error}` })),
      ...(point.name.startsWith('pwrite') ? [{ ...point, fault: 'retval=0' }] : []),
    ]);
    const client = new ErrorRuns(place, options);
    for (const [run, fault] of chosen(faults, options).entries()) yield await client.run(fault, run);
    yield { layer: 'errors', last: true, points: faults.length, ...figures([], await lastLook(place, [])) };
  });
}

/** @typedef {{ name: string, k: number }} Point the k-th call of that name */

/** All of them, or evenly spread ones. @template T @param {readonly T[]} all @param {import('../report.js').Options} options */
function chosen(all, { runs, short }) {
  const count = runs !== undefined && (runs > 1 || !short) ? runs : short ? 4 : all.length;
  return all.filter(
    (_, index) => Math.floor((index * count) / all.length) !== Math.floor(((index - 1) * count) / all.length),
  );
}

/** One upload with nothing going wrong tells which calls there are. @param {import('../place.js').Place} place @param {string} seed @returns {Promise<Point[]>} */
async function pointsOf(place, seed) {
  const ids = `${seed}-dry`;
  const server = await place.startServer(predictable(ids));
  const trace = await Trace.attach(server.pid, watch(place, ids, 0), join(place.root, 'dry.log'));
  await drive(place, `${seed}-dry`, 60).done;
  const calls = await trace.detach();
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

/** Where most can go wrong comes first: a broken server is found out soon. @param {string} name */
function rank(name) {
  const first = ['fdatasync', 'pwrite64', 'rename'].indexOf(name);
  return first === -1 ? 3 : first;
}

/** The two uploads that `drive` sends. @param {import('../place.js').Place} place @param {string} ids @param {number} n */
function watch({ dataDir }, ids, n) {
  const paths = [...pathsOf(dataDir, ids, n), ...pathsOf(dataDir, ids, n + 1)];
  return ['-e', 'trace=%file,%desc', ...paths.flatMap((path) => ['-P', path])];
}

/** One upload to the end, then one that is cancelled. @param {import('../place.js').Place} place @param {string} name @param {number} seconds */
function drive(place, name, seconds) {
  const uploads = [plainUpload(`${name}-a.txt`, BYTES), plainUpload(`${name}-b.txt`, BYTES)];
  if (uploads[1]) uploads[1].cancels = true;
  return new Load(uploads, place.target, { concurrency: 1, seconds });
}

/** @param {import('../place.js').Place} place @param {Point} point @param {string} seed @param {number} seconds */
async function killAt(place, { name, k }, seed, seconds) {
  await place.killServers();
  const server = await place.startServer(predictable(seed));
  const inject = ['-e', `inject=${name}:signal=KILL:when=${k}`];
  const trace = await Trace.attach(
    server.pid,
    [...watch(place, seed, 0), ...inject],
    join(place.root, 'kill.log'),
  );
  const load = drive(place, seed, seconds);
  await Promise.race([load.done, server.exit]);
  const kills = server.running ? 0 : 1;
  const violations = await inspect(place, load.uploads);
  if (kills) await place.startServer(predictable(`${seed}-again`));
  await trace.detach();
  await load.done;
  violations.push(...(await inspect(place, load.uploads)));
  return { seed, at: `${name} ${k}`, kills, ...figures(load.uploads, violations) };
}

/** The server stays the same from run to run; how many ids it has made is known from the uploads it opened. */
class ErrorRuns {
  /** @param {import('../place.js').Place} place @param {import('../report.js').Options} options */
  constructor(place, { seed, seconds }) {
    this.place = place;
    this.seed = `${seed}-errors`;
    this.seconds = seconds;
    this.ids = '';
    this.opened = 0;
    /** @type {import('../server.js').Server | undefined} */
    this.server = undefined;
  }

  /** @param {Point & { fault: string }} point @param {number} run */
  async run({ name, k, fault }, run) {
    const { place, seed } = this;
    if (!this.server?.running) {
      this.ids = `${seed}-${run}`;
      this.server = await place.startServer(predictable(this.ids));
      this.opened = 0;
    }
    const inject = ['-e', `inject=${name}:${fault}:when=${k}`];
    const args = [...watch(place, this.ids, this.opened), ...inject];
    const trace = await Trace.attach(this.server.pid, args, join(place.root, 'error.log'));
    const load = drive(place, `${seed}-${run}`, this.seconds);
    await Promise.race([load.done, this.server.exit]);
    const injected = (await trace.detach()).filter(({ text }) => text.includes('(INJECTED)')).length;
    await load.done;
    this.opened += load.uploads.reduce((sum, { opened }) => sum + opened, 0);
    const violations = [
      ...(await inspect(place, load.uploads)),
      ...load.uploads.flatMap((upload) => unexpected(upload, fault)),
    ];
    const answers = load.uploads.flatMap(({ failures }) => failures.map(({ status }) => status));
    return {
      layer: 'errors',
      run,
      at: `${name} ${k} ${fault}`,
      injected,
      answers,
      ...figures(load.uploads, violations),
    };
  }
}

/**
 * A fault of the disk is "not now" or "full", in the words of the contract.
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
