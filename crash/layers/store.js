// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { Random } from '../random.js';
import { figures } from '../report.js';
import { faultyStore } from '../stores.js';
import { someUploads } from '../upload.js';
import { wholeAgain } from '../whole-again.js';
import { lastLook } from './kill.js';

/**
 * Faults of one request. `torn` breaks a PUT in the middle, `cut` a response; `lost` does the work but never responds.
 */
const FAULTS = ['slow', 'busy', 'cut', 'lost', 'garbled', 'refused', 'torn', 'silent'];
const METHODS = ['PUT', 'PUT', 'PUT', 'GET', 'HEAD', 'DELETE', 'POST'];
/** Faults of all requests, for a while. */
const OUTAGES = ['busy', 'refused', 'torn', 'lost', 'silent'];

/**
 * An object store that is slow, fails, breaks connections or is unavailable for seconds, with two servers in turn.
 * @param {import('../report.js').Options} options
 */
export async function* store({ checkout, seed, runs = 4, seconds, short }) {
  const faulty = await faultyStore();
  yield* inPlace(
    checkout,
    async function* (place) {
      for (let run = 0; run < runs; run++)
        yield {
          layer: 'store',
          run,
          ...(await round(place, faulty.server, `${seed}-store-${run}`, seconds, short)),
        };
    },
    async (place) => {
      place.store = faulty;
      await place.postgres.start();
    },
  );
}

/**
 * @param {import('../place.js').Place} place @param {any} server @param {string} seed @param {number} seconds
 * @param {boolean} short
 */
async function round(place, server, seed, seconds, short) {
  const random = new Random(seed);
  await place.killServers();
  await Promise.all([place.startServer(), place.startServer()]);
  const uploads = someUploads(seed, short ? 6 : 25, random, short ? 300_000 : Infinity);
  const load = new Load(uploads, place.inTurn, { concurrency: 8, seconds });
  const violations = [];
  let [faults, outages] = [0, 0];
  while (!load.finished && violations.length === 0) {
    if (faults < (short ? 20 : 400)) {
      server.fail(random.pick(FAULTS), random.pick(METHODS), /./, random.between(1, 3));
      faults++;
    }
    await Promise.race([load.afterAcks(random.between(1, 3)), sleep(100)]);
    if (outages >= (short ? 1 : 5) || random.next() > 0.1) continue;
    await outage(server, random);
    outages++;
    violations.push(...(await wholeAgain(place)), ...(await inspect(place, uploads)));
  }
  await load.done;
  server.heal();
  violations.push(...(await lastLook(place, uploads)));
  return { seed, faults, outages, ...figures(uploads, violations) };
}

/** @param {any} server @param {Random} random */
async function outage(server, random) {
  const fault = random.pick(OUTAGES);
  for (const method of ['PUT', 'GET', 'HEAD', 'DELETE', 'POST']) server.fail(fault, method, /./, Infinity);
  await sleep(random.between(200, 3000));
  server.heal();
}
