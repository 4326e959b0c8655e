// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { Random } from '../random.js';
import { figures, seldomStruck } from '../report.js';
import { someUploads } from '../upload.js';
import { lastLook } from './kill.js';

/** About 200 ms in which any statement may be hit, even BEGIN. */
const STORM = `
  DO $$
  DECLARE pids int[] := ARRAY(SELECT pid FROM pg_stat_activity WHERE application_name = 'mediadock');
  BEGIN
    FOR i IN 1..400 LOOP
      PERFORM pg_cancel_backend(pid) FROM unnest(pids) pid;
      PERFORM pg_sleep(0.0003);
    END LOOP;
  END $$`;

/**
 * Cancels statements at random moments under load, as an operator or a timeout would.
 * @param {import('../report.js').Options} options
 */
export async function* cancel({ checkout, seed, runs = 6, seconds, short }) {
  yield* inPlace(checkout, async function* (place) {
    await place.startServer();
    let struck = 0;
    for (let run = 0; run < runs; run++) {
      const result = await cancelRun(place, `${seed}-cancel-${run}`, seconds, short);
      if (result.cancelled > 0) struck++;
      yield { layer: 'cancel', run, ...result };
    }
    yield { layer: 'cancel', last: true, ...figures([], seldomStruck(runs, struck)) };
  });
}

/** @param {import('../place.js').Place} place @param {string} seed @param {number} seconds @param {boolean} short */
async function cancelRun(place, seed, seconds, short) {
  const random = new Random(seed);
  const uploads = someUploads(seed, short ? 16 : 100, random, 600_000);
  const load = new Load(uploads, place.target, { concurrency: 8, seconds });
  const violations = [];
  let storms = 0;
  while (!load.finished && violations.length === 0) {
    await place.postgres.query(STORM);
    storms++;
    violations.push(...(await inspect(place, uploads)));
    await sleep(random.between(0, 60));
  }
  await load.done;
  violations.push(...(await lastLook(place, uploads)));
  const cancelled = uploads.reduce((sum, { failures }) => sum + failures.length, 0);
  return { seed, storms, cancelled, ...figures(uploads, violations) };
}
