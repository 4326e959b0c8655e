// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { Random } from '../random.js';
import { figures } from '../report.js';
import { someUploads } from '../upload.js';
import { lastLook } from './kill.js';

/** Where Postgres may be told not to wait for its disk: by the URL, the role or the database. */
const PLACES = /** @type {const} */ (['url', 'role', 'database']);
const OFF = 'synchronous_commit = off';

/**
 * Whatever URL, role and database say, COMMIT means durable: kill -9 of a Postgres that would write an asynchronous
 * commit ten seconds later. @param {import('../report.js').Options} options
 */
export async function* settings({ checkout, seed, runs = 6, seconds, short }) {
  for (let run = 0; run < runs; run++) {
    const where = PLACES[run % PLACES.length] ?? 'url';
    yield* inPlace(checkout, async function* (place) {
      const result = await settingsRun(place, `${seed}-settings-${run}`, where, seconds, short);
      yield { layer: 'settings', run, ...result };
    });
  }
}

/** @param {import('../place.js').Place} place @param {string} seed @param {(typeof PLACES)[number]} where @param {number} seconds @param {boolean} short */
async function settingsRun(place, seed, where, seconds, short) {
  const { postgres } = place;
  const random = new Random(seed);
  await (await place.startServer()).stop();
  for (const setting of [
    "wal_writer_delay = '10s'",
    "checkpoint_timeout = '1h'",
    'wal_writer_flush_after = 0',
  ])
    await postgres.query(`ALTER SYSTEM SET ${setting}`);
  await postgres.query('SELECT pg_reload_conf()');
  if (where === 'role') await postgres.query(`ALTER ROLE CURRENT_USER SET ${OFF}`);
  if (where === 'database') await postgres.query(`ALTER DATABASE ${postgres.connection.database} SET ${OFF}`);
  const url = `${postgres.url}&options=${encodeURIComponent('-c synchronous_commit=off')}`;
  await place.startServer(where === 'url' ? { DATABASE_URL: url } : {});
  const uploads = someUploads(seed, short ? 8 : 16, random, 300_000);
  const load = new Load(uploads, place.target, { concurrency: random.pick([1, 4]), seconds });
  const violations = [];
  let kills = 0;
  while (kills < (short ? 3 : 8) && !load.finished && violations.length === 0) {
    await load.afterAcks(random.between(1, 10));
    if (load.finished) break;
    await postgres.kill();
    kills++;
    await postgres.start();
    violations.push(...(await inspect(place, uploads)));
    await sleep(random.between(0, 50));
  }
  await load.done;
  violations.push(...(await lastLook(place, uploads)));
  return { seed, where, kills, ...figures(uploads, violations) };
}
