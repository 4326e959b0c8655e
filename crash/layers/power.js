// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { Disks, noDisks } from '../disks.js';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { Place } from '../place.js';
import { Random } from '../random.js';
import { figures } from '../report.js';
import { someUploads } from '../upload.js';
import { lastLook } from './kill.js';

const MAX_BYTES = 600_000;
const CUTS = 5;

/**
 * Power cuts under load, with uploads and Postgres on separate disks, ext4 and XFS.
 * @param {import('../report.js').Options} options
 */
export async function* power(options) {
  const { runs = 20, short } = options;
  for (const fileSystem of /** @type {const} */ (['ext4', 'xfs'])) {
    const skipped = await noDisks(fileSystem);
    if (skipped) yield { layer: 'power', file_system: fileSystem, skipped };
    else yield* powerOn(fileSystem, short ? 1 : Math.ceil(runs / 2), options);
  }
}

/**
 * @param {import('../disks.js').FileSystem} fileSystem @param {number} runs
 * @param {import('../report.js').Options} options
 */
async function* powerOn(fileSystem, runs, { checkout, seed, seconds, short }) {
  const place = await Place.empty(checkout);
  try {
    const disks = new Disks(fileSystem, { uploads: place.dataDir, database: place.postgres.dataDir });
    place.disks = disks;
    await disks.make();
    await makeTemplate(place, disks);
    for (let run = 0; run < runs; run++) {
      const cutting = new Cutting(
        place,
        disks,
        new Random(`${seed}-power-${fileSystem}-${run}`),
        short ? 1 : CUTS,
      );
      yield { layer: 'power', file_system: fileSystem, run, ...(await cutting.run(seconds)) };
    }
  } finally {
    await place.remove();
  }
}

/**
 * Prepares disks with an empty, migrated database. Every run starts with copies of them.
 * @param {Place} place @param {Disks} disks
 */
export async function makeTemplate(place, disks) {
  await place.postgres.start();
  await (await place.startServer()).stop();
  await place.postgres.stop();
  await disks.unmount();
  await disks.copy('template');
}

/** Uploads that go through several power cuts. */
class Cutting {
  /** @param {Place} place @param {Disks} disks @param {Random} random @param {number} cuts */
  constructor(place, disks, random, cuts) {
    this.place = place;
    this.disks = disks;
    this.random = random;
    this.cuts = cuts;
  }

  /** @param {number} seconds */
  async run(seconds) {
    const { place, disks, random } = this;
    const start = performance.now();
    await disks.restore('template', true);
    await disks.mount();
    await place.postgres.start();
    await place.startServer();
    const uploads = someUploads(random.seed, 8 * this.cuts, random, MAX_BYTES);
    // The sync of another upload may hide a missing one, so there are only a few uploads at a time.
    const load = new Load(uploads, place.target, { concurrency: random.pick([1, 1, 2, 8]), seconds });
    const cut = new Cut(place, disks);
    const violations = [];
    let cuts = 0;
    while (cuts < this.cuts && !load.finished && violations.length === 0) {
      await load.afterAcks(random.between(1, 40));
      // Right after a response, when its bytes have had the least time to reach the disk.
      await sleep(random.pick([0, 0, random.between(0, 10), random.between(0, 300)]));
      await cut.now();
      cuts++;
      violations.push(...(await inspect(place, uploads)));
      await place.startServer();
    }
    await load.done;
    violations.push(...(await lastLook(place, uploads)));
    await cut.end();
    return {
      seed: random.seed,
      cuts,
      ...figures(uploads, violations),
      seconds: Math.round((performance.now() - start) / 100) / 10,
    };
  }
}

export class Cut {
  /** @param {Place} place @param {Disks} disks */
  constructor(place, disks) {
    this.place = place;
    this.disks = disks;
  }

  /**
   * Cuts the power of both disks at one moment. First all processes stop, so nothing more is acknowledged. What the
   * kernel still writes by itself, it could have written before as well. Therefore the two copies need not be made in
   * the same microsecond. The uploads are copied first, which leaves no time for a missing sync to be made up for.
   * fsfreeze would not do: it writes out everything that a power cut loses. Unmounting flushes the old disks, which are
   * then thrown away; mounting the copies replays their journals.
   */
  async now() {
    const { place, disks } = this;
    for (const server of place.servers) server.signal('SIGSTOP');
    place.postgres.freeze();
    await disks.copy('cut');
    await place.killServers();
    await place.postgres.killAll();
    await disks.unmount();
    await disks.restore('cut');
    await disks.mount();
    await place.postgres.start();
  }

  async end() {
    const { place, disks } = this;
    await place.killServers();
    await place.postgres.stop();
    await disks.unmount();
  }
}
