// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../load.js';
import { afterSweep, inspect } from '../oracles.js';
import { inPlace, SWEEP_NOW } from '../place.js';
import { Random } from '../random.js';
import { figures } from '../report.js';
import { someUploads } from '../upload.js';

/** @typedef {'server' | 'postgres' | 'both'} Victim */

/**
 * kill -9 at random moments under load, restart, check, continue. At the end every upload is complete.
 * @param {import('../report.js').Options} options
 */
export const kill = (options) => killing('kill', 'server', options);
/** @param {import('../report.js').Options} options */
export const postgres = (options) => killing('postgres', 'postgres', options);
/** @param {import('../report.js').Options} options */
export const both = (options) => killing('both', 'both', options);

/** @param {string} layer @param {Victim} victim @param {import('../report.js').Options} options */
async function* killing(layer, victim, { checkout, seed, runs = 13, seconds, short }) {
  yield* inPlace(checkout, async function* (place) {
    await place.startServer();
    for (let run = 0; run < runs; run++) {
      yield { layer, run, ...(await killRun(place, victim, `${seed}-${layer}-${run}`, seconds, short)) };
    }
  });
}

/**
 * @param {import('../place.js').Place} place @param {Victim} victim @param {string} seed @param {number} seconds
 * @param {boolean} short
 */
async function killRun(place, victim, seed, seconds, short) {
  const start = performance.now();
  const random = new Random(seed);
  const uploads = someUploads(seed, short ? 8 : 80, random, short ? 300_000 : Infinity);
  const load = new Load(uploads, place.target, { concurrency: 8, seconds });
  const violations = [];
  let kills = 0;
  while (!load.finished && violations.length === 0 && kills < (short ? 4 : Infinity)) {
    await load.afterAcks(random.between(1, short ? 20 : 46));
    await sleep(random.between(0, 12));
    if (load.finished) break;
    kills += await strike(place, victim);
    violations.push(...(await inspect(place, uploads)));
    if (victim !== 'postgres') await place.startServer();
  }
  await load.done;
  violations.push(...(await lastLook(place, uploads)));
  const lasted = Math.round((performance.now() - start) / 100) / 10;
  return { seed, kills, ...figures(uploads, violations), seconds: lasted };
}

/** @param {import('../place.js').Place} place @param {Victim} victim */
async function strike(place, victim) {
  const servers = victim === 'postgres' ? [] : [place.killServers()];
  const database = victim === 'server' ? [] : [place.postgres.kill()];
  await Promise.all([...servers, ...database]);
  if (victim !== 'server') await place.postgres.start();
  return victim === 'both' ? 2 : 1;
}

/**
 * Sweeps, then checks everything once more.
 * @param {import('../place.js').Place} place @param {readonly import('../upload.js').Upload[]} uploads
 */
export async function lastLook(place, uploads) {
  await place.killServers();
  await place.startServer(SWEEP_NOW);
  const left = await afterSweep(place);
  const violations = [...left, ...(await inspect(place, uploads))];
  await place.killServers();
  const found = await place.fsck();
  if (found) violations.push({ kind: 'wrong', what: `fsck: ${found.slice(0, 500)}` });
  await place.startServer();
  return violations;
}
