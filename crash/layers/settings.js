// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { PgBouncer } from '../pgbouncer.js';
import { inPlace } from '../place.js';
import { Random } from '../random.js';
import { figures } from '../report.js';
import { someUploads } from '../upload.js';
import { lastLook } from './kill.js';

/** Where `synchronous_commit = off` and more is set. Behind the pooler it is in the role. */
const PLACES = /** @type {const} */ (['url', 'role', 'database', 'pgbouncer']);
/** @typedef {(typeof PLACES)[number]} Where */

const HOSTILE = {
  synchronous_commit: 'off',
  DateStyle: 'German',
  TimeZone: 'Asia/Kathmandu',
  search_path: 'nowhere',
  default_transaction_read_only: 'on',
};

/** By default it does not reconnect for 15 s after Postgres was down. */
const SESSIONS = { pool_mode: 'session', server_login_retry: 1 };

/**
 * A COMMIT must be durable whatever the URL, role, database and pooler say: kill -9 of a Postgres that writes
 * asynchronous commits ten seconds later. @param {import('../report.js').Options} options
 */
export async function* settings({ checkout, seed, runs = 2, seconds, short }) {
  for (let run = 0; run < runs; run++)
    for (const where of PLACES) {
      const skipped = where === 'pgbouncer' ? PgBouncer.missing : undefined;
      if (skipped) yield { layer: 'settings', run, where, skipped };
      else
        yield* inPlace(checkout, async function* (place) {
          const name = `${seed}-settings-${where}-${run}`;
          yield { layer: 'settings', run, ...(await settingsRun(place, name, where, seconds, short)) };
        });
    }
}

/**
 * @param {import('../place.js').Place} place @param {string} seed @param {Where} where @param {number} seconds
 * @param {boolean} short
 */
async function settingsRun(place, seed, where, seconds, short) {
  const { postgres } = place;
  await (await place.startServer()).stop();
  await makeHostile(postgres, where);
  const { user, database } = postgres.connection;
  const bouncer = where === 'pgbouncer' ? await PgBouncer.start(postgres.connection, SESSIONS) : undefined;
  try {
    const options = Object.entries(HOSTILE).map(([name, value]) => `-c ${name}=${value}`);
    const url = `${postgres.url}&options=${encodeURIComponent(options.join(' '))}`;
    const through = bouncer?.url(user, database) ?? (where === 'url' ? url : postgres.url);
    await place.startServer({ DATABASE_URL: through });
    return { seed, where, ...(await killing(place, new Random(seed), seconds, short)) };
  } finally {
    await bouncer?.stop();
  }
}

/** @param {import('../postgres.js').Postgres} postgres @param {Where} where */
async function makeHostile(postgres, where) {
  for (const setting of [
    "wal_writer_delay = '10s'",
    "checkpoint_timeout = '1h'",
    'wal_writer_flush_after = 0',
  ])
    await postgres.query(`ALTER SYSTEM SET ${setting}`);
  await postgres.query('SELECT pg_reload_conf()');
  if (where === 'url') return;
  const whose = where === 'database' ? `DATABASE ${postgres.connection.database}` : 'ROLE CURRENT_USER';
  for (const [name, value] of Object.entries(HOSTILE))
    await postgres.query(`ALTER ${whose} SET ${name} = '${value}'`);
}

/** @param {import('../place.js').Place} place @param {Random} random @param {number} seconds @param {boolean} short */
async function killing(place, random, seconds, short) {
  const uploads = someUploads(random.seed, short ? 8 : 16, random, 300_000);
  const load = new Load(uploads, place.target, { concurrency: random.pick([1, 4]), seconds });
  const violations = [];
  let kills = 0;
  while (kills < (short ? 3 : 8) && !load.finished && violations.length === 0) {
    await load.afterAcks(random.between(1, 10));
    if (load.finished) break;
    await place.postgres.kill();
    kills++;
    await place.postgres.start();
    violations.push(...(await inspect(place, uploads)));
    await sleep(random.between(0, 50));
  }
  await load.done;
  violations.push(...(await lastLook(place, uploads)));
  return { kills, ...figures(uploads, violations) };
}
