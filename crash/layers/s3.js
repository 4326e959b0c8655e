// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { Ceph } from '../../cluster/ceph.js';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { Random } from '../random.js';
import { figures } from '../report.js';
import { cephStore, faultyStore } from '../stores.js';
import { someUploads, Upload } from '../upload.js';
import { wholeAgain } from '../whole-again.js';
import { frozenCommit, frozenUnderLoad } from './freeze.js';
import { lastLook } from './kill.js';

/** Large enough for a multipart upload to the store. */
const LARGE_BYTES = 9_000_000;
const OSDS = 3;

/** @typedef {'server' | 'gateway' | 'osd' | 'ceph'} Victim */
/** @type {readonly Victim[]} */
const VICTIMS = ['server', 'gateway', 'osd', 'ceph'];

/**
 * Bytes are in an object store, a real Ceph if it is installed. Requests alternate between two servers. Servers, the
 * gateway, an OSD or all of Ceph are killed with kill -9; a server is frozen while the other one continues.
 * @param {import('../report.js').Options} options
 */
export async function* s3({ checkout, seed, runs = 4, seconds, short }) {
  const ceph = Ceph.missing ? undefined : await cephStore();
  const store = ceph ?? (await faultyStore());
  if (!ceph) yield { layer: 's3', skipped: `kills of the store: ${Ceph.missing}` };
  yield* inPlace(
    checkout,
    async function* (place) {
      for (const [name, plan] of plansOf(ceph !== undefined, short))
        for (let run = 0; run < runs; run++) {
          const line = { layer: 's3', victim: name, run };
          yield {
            ...line,
            ...(await round(place, ceph?.ceph, plan, `${seed}-s3-${name}-${run}`, seconds, short)),
          };
        }
      yield* frozen(place, `${seed}-s3-frozen`, seconds, short);
    },
    async (place) => {
      place.store = store;
      await place.postgres.start();
    },
  );
}

/**
 * Rounds, each with what it kills. A short run has one round for all.
 * @param {boolean} isReal @param {boolean} short @returns {[string, readonly Victim[]][]}
 */
function plansOf(isReal, short) {
  const victims = isReal ? VICTIMS : VICTIMS.slice(0, 1);
  if (short) return [['each', victims]];
  return victims.map((victim) => [victim, Array(victim === 'server' ? 11 : 2).fill(victim)]);
}

/**
 * @param {import('../place.js').Place} place @param {Ceph | undefined} ceph @param {readonly Victim[]} plan
 * @param {string} seed @param {number} seconds @param {boolean} short
 */
async function round(place, ceph, plan, seed, seconds, short) {
  const start = performance.now();
  const random = new Random(seed);
  const count = short ? 6 : plan.length > 2 ? 40 : 10;
  const uploads = [];
  const violations = [];
  const left = [...plan];
  let kills = 0;
  await twoServers(place);
  do {
    const more = someUploads(`${seed}-${uploads.length}`, count, random, short ? 300_000 : Infinity);
    if (!short && uploads.length === 0) more.push(large(`${seed}-large.txt`, random));
    uploads.push(...more);
    const load = new Load(more, place.inTurn, { concurrency: 8, seconds });
    while (left.length > 0 && violations.length === 0) {
      await load.afterAcks(random.between(1, 10));
      if (load.finished) break;
      kills += await strike(place, ceph, /** @type {Victim} */ (left.shift()), random);
      violations.push(...(await wholeAgain(place)), ...(await inspect(place, uploads)));
    }
    await load.done;
  } while (left.length > 0 && violations.length === 0);
  violations.push(...(await lastLook(place, uploads)));
  const lasted = Math.round((performance.now() - start) / 100) / 10;
  return { seed, kills, ...figures(uploads, violations), seconds: lasted };
}

/** @param {string} name @param {Random} random */
function large(name, random) {
  const upload = new Upload(name, LARGE_BYTES, random);
  upload.chunkBytes = 204_800;
  return upload;
}

/** @param {import('../place.js').Place} place */
async function twoServers(place) {
  await place.killServers();
  await Promise.all([place.startServer(), place.startServer()]);
}

/**
 * Kills and restarts. Resolves to the number of kills.
 * @param {import('../place.js').Place} place @param {Ceph | undefined} ceph @param {Victim} victim
 * @param {Random} random
 */
async function strike(place, ceph, victim, random) {
  if (victim === 'server') return await killServers(place, random);
  const names = { gateway: ['rgw'], osd: [`osd.${random.between(0, OSDS - 1)}`], ceph: [] }[victim];
  await ceph?.kill(...names);
  await sleep(random.between(0, 2000));
  await ceph?.run();
  return 1;
}

/**
 * Kills one server while the other one continues, or both at once.
 * @param {import('../place.js').Place} place @param {Random} random
 */
async function killServers(place, random) {
  await sleep(random.between(0, 12));
  const running = place.servers.filter((server) => server.running);
  const doomed = random.next() < 0.7 ? running : [random.pick(running)];
  await Promise.all(doomed.map((server) => server.kill()));
  await Promise.all(doomed.map(() => place.startServer()));
  return doomed.length;
}

/** @typedef {import('./freeze.js').Moment} Moment */
/** Without those of announcing. @type {readonly Moment[]} */
const BEFORE_COMMIT = ['commit chunk', 'BEGIN'];
/** @type {readonly Moment[]} */
const UNDER_LOAD = ['any', 'media', 'open', 'COMMIT'];

/** @param {import('../place.js').Place} place @param {string} seed @param {number} seconds @param {boolean} short */
async function* frozen(place, seed, seconds, short) {
  const line = { layer: 's3', victim: 'frozen server' };
  for (const moment of short ? BEFORE_COMMIT.slice(0, 1) : BEFORE_COMMIT)
    for (const isSame of short ? [false] : [true, false])
      yield { ...line, ...(await frozenCommit(place, `${seed}-${moment}-${isSame}`, moment, isSame)) };
  for (const moment of short ? [] : UNDER_LOAD)
    yield { ...line, ...(await frozenUnderLoad(place, `${seed}-${moment}`, moment, seconds)) };
}
