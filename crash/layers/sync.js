// @ts-check
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Disks, noDisks } from '../disks.js';
import { inspect } from '../oracles.js';
import { Place } from '../place.js';
import { figures } from '../report.js';
import { plainUpload } from '../upload.js';
import { Cut, makeTemplate } from './power.js';
import { lastLook } from './kill.js';

const PRELOAD = pathToFileURL(join(import.meta.dirname, '../failing-sync.js')).href;
const CHUNK_BYTES = 10_000;
const CHUNKS = 5;

/** @typedef {{ mode: 'fail' | 'die', at: number }} Fault of the at-th write */

/** A write that fails, or during which the server dies, although its bytes look fine. @type {readonly Fault[]} */
const FAULTS = [
  { mode: 'die', at: 2 },
  { mode: 'fail', at: 2 },
  { mode: 'die', at: 3 },
  { mode: 'fail', at: 1 },
  { mode: 'fail', at: 3 },
  { mode: 'die', at: 4 },
  { mode: 'fail', at: 5 },
  { mode: 'die', at: 1 },
  { mode: 'die', at: 5 },
];

/**
 * A sync fails or never returns, although the bytes are in the page cache. After the next response that counts them,
 * the power is cut. @param {import('../report.js').Options} options
 */
export async function* sync(options) {
  for (const fileSystem of /** @type {const} */ (['ext4', 'xfs'])) {
    const skipped = await noDisks(fileSystem);
    if (skipped) yield { layer: 'sync', file_system: fileSystem, skipped };
    else yield* syncOn(fileSystem, options);
  }
}

/** @param {import('../disks.js').FileSystem} fileSystem @param {import('../report.js').Options} options */
async function* syncOn(fileSystem, { checkout, seed, runs = FAULTS.length, short, seconds }) {
  const place = await Place.empty(checkout);
  try {
    place.disks = new Disks(fileSystem, { uploads: place.dataDir, database: place.postgres.dataDir });
    await place.disks.make();
    await makeTemplate(place, place.disks);
    for (const [run, fault] of FAULTS.slice(0, short ? 1 : runs).entries()) {
      const result = await syncOnce(place, place.disks, fault, `${seed}-sync-${fileSystem}-${run}`, seconds);
      yield { layer: 'sync', file_system: fileSystem, run, ...result };
    }
  } finally {
    await place.remove();
  }
}

/** @param {Place} place @param {Disks} disks @param {Fault} fault @param {string} seed @param {number} seconds */
async function syncOnce(place, disks, { mode, at }, seed, seconds) {
  await disks.restore('template', true);
  await disks.mount();
  await place.postgres.start();
  await place.startServer({ CRASH_SYNC: `${mode}:${at}`, NODE_OPTIONS: `--import=${PRELOAD}` });
  const upload = plainUpload(`${seed}.txt`, CHUNKS * CHUNK_BYTES);
  upload.chunkBytes = CHUNK_BYTES;
  const faults = await untilCounted(place, upload, Date.now() + seconds * 1000);
  const cut = new Cut(place, disks);
  await cut.now();
  const violations = await inspect(place, [upload]);
  if (faults !== 1) violations.push({ kind: 'stuck', what: `${faults} writes failed instead of one` });
  await place.startServer();
  await upload.run(place.target, Date.now() + seconds * 1000);
  violations.push(...(await lastLook(place, [upload])));
  await cut.end();
  return { seed, at: `${mode} write ${at}`, cuts: 1, ...figures([upload], violations) };
}

/**
 * Resolves when the write has failed and a later response counts bytes.
 * @param {Place} place @param {import('../upload.js').Upload} upload @param {number} deadline
 */
async function untilCounted(place, upload, deadline) {
  let faults = 0;
  while (Date.now() < deadline) {
    try {
      await upload.step(place.target);
      if (faults > 0) break;
    } catch {
      faults++;
      await sleep(100);
      if (place.servers.every(({ running }) => !running)) await place.startServer();
      if (upload.id === undefined) continue;
      await upload.ask(place.target);
      // The offset in a status counts as acknowledged.
      const counted = upload.offset > upload.acked;
      upload.acked = Math.max(upload.acked, upload.offset);
      if (counted) break;
    }
  }
  return faults;
}
