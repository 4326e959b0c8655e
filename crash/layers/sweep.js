// @ts-check
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withPatched } from '../checkout.js';
import { Hold } from '../hold.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { figures } from '../report.js';
import { plainUpload } from '../upload.js';
import { Wire } from '../wire.js';
import { lastLook } from './kill.js';

/** As in production, but sooner: parts are committed within two seconds, and are orphans after twice that time. */
const DEADLINE = {
  from: 'MAX_WAIT_MS = 120_000',
  to: 'MAX_WAIT_MS = 2_000',
};
const SWEEP = { ORPHAN_AGE_SECONDS: '4', SWEEP_INTERVAL_SECONDS: '1' };
/** A sweep comes by, and the deadline does not pass. */
const SHORT_MS = 1300;
const SWEPT_MS = 15_000;

/** Statements that a new part waits for. */
const KINDS = /** @type {const} */ (['commit chunk', 'open', 'adopt']);

/**
 * A server is frozen while a part waits for its commit, and another one sweeps: a young part stays, an old one goes, and
 * then cannot be committed. @param {import('../report.js').Options} options
 */
export async function* sweep({ checkout, seed, runs = 6, seconds }) {
  /** @type {import('../report.js').Line[]} */
  const lines = [];
  await withPatched(checkout, [DEADLINE], async (patched) => {
    for await (const line of sweepIn(patched, seed, runs, seconds)) lines.push(line);
  });
  yield* lines;
}

/** @param {string} checkout @param {string} seed @param {number} runs @param {number} seconds @returns {AsyncGenerator<import('../report.js').Line>} */
async function* sweepIn(checkout, seed, runs, seconds) {
  yield* inPlace(checkout, async function* (place) {
    for (let run = 0; run < runs; run++) {
      const kind = KINDS[Math.floor(run / 2) % KINDS.length] ?? 'open';
      const result = await sweepOnce(place, `${seed}-sweep-${run}`, kind, run % 2 === 0, seconds);
      yield { layer: 'sweep', run, ...result };
    }
  });
}

/** @param {import('../place.js').Place} place @param {string} seed @param {(typeof KINDS)[number]} kind @param {boolean} long @param {number} seconds */
async function sweepOnce(place, seed, kind, long, seconds) {
  await place.killServers();
  const wire = await Wire.open(place);
  const other = await place.startServer(SWEEP);
  const server = await place.startServer({ ...wire.settings, SWEEP_INTERVAL_SECONDS: '0' });
  const upload = plainUpload(`${seed}.txt`, 40_000);
  upload.chunkBytes = 10_000;
  if (kind !== 'open') await upload.append(other);
  if (kind === 'adopt') await upload.append(other);
  const hold = new Hold(wire, server, kind);
  const done = upload.run({ url: server.url, token: server.token }, Date.now() + seconds * 1000);
  /** @type {import('../oracles.js').Violation[]} */
  const violations = [];
  if (await hold.reached()) {
    const swept = await sweptWithin(place, hold.names, long ? SWEPT_MS : SHORT_MS);
    if (long && !swept) violations.push({ kind: 'stuck', what: 'an old part was not swept' });
    if (!long && swept)
      violations.push({ kind: 'wrong', what: 'a part was swept that waits for its commit' });
  } else violations.push({ kind: 'stuck', what: `there is no statement to ${kind}` });
  hold.thaw?.();
  await done;
  violations.push(...(await inspect(place, [upload])), ...(await lastLook(place, [upload])));
  await wire.close();
  return { seed, kind, frozen: long ? 'long' : 'short', ...figures([upload], violations) };
}

/** Whether the new part, which no row names, is removed in that time. @param {import('../place.js').Place} place @param {readonly string[]} names @param {number} milliseconds */
async function sweptWithin({ postgres, dataDir }, names, milliseconds) {
  const rows = await postgres.query('SELECT name FROM upload_part WHERE name = ANY($1)', [[...names]]);
  const fresh = names.filter((name) => rows.every((row) => row['name'] !== name));
  const deadline = Date.now() + milliseconds;
  while (Date.now() < deadline) {
    if (!fresh.every((name) => existsSync(join(dataDir, 'uploads', name)))) return true;
    await sleep(50);
  }
  return false;
}
