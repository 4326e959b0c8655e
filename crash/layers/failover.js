// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresPair } from '../../cluster/postgres-pair.js';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { Random } from '../random.js';
import { figures } from '../report.js';
import { someUploads } from '../upload.js';
import { wholeAgain } from '../whole-again.js';
import { lastLook } from './kill.js';

/**
 * The primary is killed or frozen under load, just after its synchronous standby was cut off, and the standby is
 * promoted. Two servers, used in turn, have both in DATABASE_URL. Then the lost primary returns as the standby.
 * @param {import('../report.js').Options} options
 */
export async function* failover({ checkout, seed, runs = 12, seconds, short }) {
  yield* inPlace(
    checkout,
    async function* (place) {
      for (let run = 0; run < runs; run++)
        yield {
          layer: 'failover',
          run,
          ...(await round(place, `${seed}-failover-${run}`, run, seconds, short)),
        };
    },
    async (place) => void (place.pair = await PostgresPair.start(checkout)),
  );
}

/**
 * @param {import('../place.js').Place} place @param {string} seed @param {number} run @param {number} seconds
 * @param {boolean} short
 */
async function round(place, seed, run, seconds, short) {
  const random = new Random(seed);
  const pair = /** @type {PostgresPair} */ (place.pair);
  await place.killServers();
  await Promise.all([place.startServer(), place.startServer()]);
  const uploads = someUploads(seed, 10, random, short ? 300_000 : Infinity);
  const load = new Load(uploads, place.inTurn, { concurrency: 8, seconds });
  await load.afterAcks(random.between(1, 30));
  const how = run % 3 === 2 ? 'frozen' : 'killed';
  // What the old primary acknowledges from here on would be lost.
  pair.cutReplication();
  await sleep(random.between(200, 600));
  if (how === 'killed') await pair.killPrimary();
  else pair.freezePrimary();
  await sleep(random.between(0, 1000));
  await pair.promote();
  const violations = [...(await wholeAgain(place)), ...(await inspect(place, uploads))];
  await load.done;
  violations.push(...(await inspect(place, uploads)));
  await pair.rejoin();
  violations.push(...(await lastLook(place, uploads)));
  return { seed, how, fail_overs: 1, ...figures(uploads, violations) };
}
