// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { Random } from '../random.js';
import { figures } from '../report.js';
import { plainUpload } from '../upload.js';
import { lastLook } from './kill.js';

/** The server's idle_in_transaction_session_timeout is 15 s; lock timeouts and retries come on top. */
const GO_ON_MS = 25_000;

/** What a frozen process still holds: rows of sessions, in transactions that wait for its next word. */
const HELD = `
  SELECT DISTINCT a.pid FROM pg_stat_activity a JOIN pg_locks l USING (pid)
  WHERE a.application_name = 'mediadock' AND a.state = 'idle in transaction'
    AND l.relation = 'upload_session'::regclass AND l.mode IN ('RowShareLock', 'RowExclusiveLock')`;

/**
 * A server is frozen, with rows locked or in the midst of a chunk that needs no lock; another one goes on; the first thaws
 * and must not harm. @param {import('../report.js').Options} options
 */
export async function* freeze({ checkout, seed, runs = 6, seconds }) {
  yield* inPlace(checkout, async function* (place) {
    for (let run = 0; run < runs; run++) {
      yield {
        layer: 'freeze',
        run,
        ...(await freezeRun(place, `${seed}-freeze-${run}`, run % 2 === 0, seconds)),
      };
    }
  });
}

/** @param {import('../place.js').Place} place @param {string} seed @param {boolean} locked @param {number} seconds */
async function freezeRun(place, seed, locked, seconds) {
  await place.killServers();
  const random = new Random(seed);
  const second = await place.startServer();
  const first = await place.startServer();
  const target = { url: first.url, token: first.token, patienceMs: 4000 };
  const uploads = Array.from({ length: 8 }, (_, index) => manyChunks(`${seed}-${index}.txt`));
  const load = new Load(uploads, target, { concurrency: 4, seconds });
  const held = locked
    ? await freezeWithLock(place, first, random, load)
    : await freezeAtAnyTime(first, random);
  const start = performance.now();
  target.url = second.url;
  await load.done;
  const took = performance.now() - start;
  const violations = await inspect(place, uploads);
  first.signal('SIGCONT');
  await sleep(500);
  const late = plainUpload(`${seed}-late.txt`, 50_000);
  await late.run({ ...target, url: first.url }, Date.now() + 10_000);
  violations.push(...(await inspect(place, [...uploads, late])), ...(await lastLook(place, uploads)));
  if (took > GO_ON_MS) violations.push({ kind: 'stuck', what: `it took ${Math.round(took)} ms to go on` });
  return {
    seed,
    frozen_with_locks: held,
    seconds: Math.round(took / 100) / 10,
    ...figures([...uploads, late], violations),
  };
}

/** So many that the server is in the midst of an upload at any time. @param {string} name */
function manyChunks(name) {
  const upload = plainUpload(name, 600_000);
  upload.chunkBytes = 15_000;
  return upload;
}

/** @param {import('../server.js').Server} server @param {Random} random */
async function freezeAtAnyTime(server, random) {
  await sleep(random.between(50, 500));
  server.signal('SIGSTOP');
  return 0;
}

/** Freezes at random moments until one is within a transaction. @param {import('../place.js').Place} place @param {import('../server.js').Server} server @param {Random} random @param {Load} load */
async function freezeWithLock({ postgres }, server, random, load) {
  while (!load.finished) {
    await sleep(random.between(1, 15));
    server.signal('SIGSTOP');
    // What Postgres is busy with ends; what it waits for stays.
    await sleep(30);
    const held = await postgres.query(HELD);
    if (held.length > 0) return held.length;
    server.signal('SIGCONT');
  }
  return 0;
}
