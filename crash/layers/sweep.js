// @ts-check
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inPatched } from '../checkout.js';
import { Hold } from '../hold.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { figures } from '../report.js';
import { plainUpload } from '../upload.js';
import { Wire } from '../wire.js';
import { lastLook } from './kill.js';

/** As in production, but faster: parts must be committed within two seconds, and become orphans after four. */
const DEADLINE = {
  from: 'MAX_WAIT_MS = 120_000',
  to: 'MAX_WAIT_MS = 2_000',
};
const AGE = { ORPHAN_AGE_SECONDS: '4' };
/** Long enough for a sweep, and shorter than the deadline. */
const SHORT_MS = 1300;
const SWEPT_MS = 15_000;
/** Time limit for the uploads, including the freeze. */
const FINISHED_MS = 60_000;

/** The statement that a new file waits for. A transaction has one time, that of its BEGIN. */
const CASES = /** @type {const} */ ([
  { what: 'chunk', statement: 'commit chunk', before: 1 },
  { what: 'first chunk', statement: 'BEGIN', before: 0 },
  { what: 'adoption', statement: 'adopt', before: 2 },
  { what: 'completion', statement: 'BEGIN', before: 1 },
]);

/**
 * A server is frozen while a file waits for its commit, and another server sweeps. A young file must stay. An old one
 * is removed, and must not be committed after that. @param {import('../report.js').Options} options
 */
export async function* sweep({ checkout, seed, runs = 2 * CASES.length }) {
  yield* inPatched(checkout, [DEADLINE], (patched) => sweepIn(patched, seed, runs));
}

/**
 * @param {string} checkout @param {string} seed @param {number} runs
 * @returns {AsyncGenerator<import('../report.js').Line>}
 */
async function* sweepIn(checkout, seed, runs) {
  yield* inPlace(checkout, async function* (place) {
    for (let run = 0; run < runs; run++) {
      const which = CASES[Math.floor(run / 2) % CASES.length] ?? CASES[0];
      const result = await sweepOnce(place, `${seed}-sweep-${run}`, which, run % 2 === 0);
      yield { layer: 'sweep', run, ...result };
    }
  });
}

/**
 * @param {import('../place.js').Place} place @param {string} seed @param {(typeof CASES)[number]} which
 * @param {boolean} long
 */
async function sweepOnce(place, seed, { what, statement, before }, long) {
  await place.killServers();
  const wire = await Wire.open(place);
  const other = await place.startServer({ ...AGE, SWEEP_INTERVAL_SECONDS: '1' });
  const server = await place.startServer({ ...wire.settings, ...AGE, SWEEP_INTERVAL_SECONDS: '0' });
  const upload = plainUpload(`${seed}.txt`, 40_000);
  upload.chunkBytes = 10_000;
  for (let chunk = 0; chunk < before; chunk++) await upload.append(other);
  const hold = new Hold(wire, server, statement);
  const done = upload.run({ url: server.url, token: server.token }, Date.now() + FINISHED_MS);
  /** @type {import('../oracles.js').Violation[]} */
  const violations = [];
  if (await hold.reached()) {
    const swept = await sweptWithin(place, long ? SWEPT_MS : SHORT_MS);
    if (long && !swept) violations.push({ kind: 'stuck', what: 'an old file was not swept' });
    if (!long && swept)
      violations.push({ kind: 'wrong', what: 'a file was swept that waits for its commit' });
  } else violations.push({ kind: 'stuck', what: `there is no ${statement}` });
  hold.thaw?.();
  await done;
  violations.push(...(await inspect(place, [upload])), ...(await lastLook(place, [upload])));
  await wire.close();
  return { seed, what, frozen: long ? 'long' : 'short', ...figures([upload], violations) };
}

/**
 * Whether a file without a row is removed within that time.
 * @param {import('../place.js').Place} place @param {number} milliseconds
 */
async function sweptWithin({ postgres, dataDir }, milliseconds) {
  const rows = await postgres.query('SELECT name FROM upload_part UNION ALL SELECT key FROM media');
  const known = new Set(rows.map(({ name }) => name));
  const [uploads = [], files = []] = await Promise.all(
    ['uploads', 'files'].map(async (area) =>
      (await readdir(join(dataDir, area)))
        .filter((name) => !known.has(name))
        .map((name) => join(dataDir, area, name)),
    ),
  );
  const fresh = [...uploads, ...files];
  if (fresh.length === 0) throw new Error('No file waits for a commit');
  const deadline = Date.now() + milliseconds;
  while (Date.now() < deadline) {
    if (!fresh.every((path) => existsSync(path))) return true;
    await sleep(50);
  }
  return false;
}
