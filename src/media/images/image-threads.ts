import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';

const THREADS = '/proc/self/task';
/** A third of the share that others get where all cores are busy: enough to finish in time. */
const NICENESS = 5;

/**
 * Lets chunks go first while images are decoded. On Linux every thread has a priority of its own, and libvips does nearly all
 * of its work in threads that it names. New ones may appear with each image.
 */
export function lowerImageThreads(): void {
  if (process.platform !== 'linux') return;
  for (const id of readdirSync(THREADS)) {
    try {
      const name = readFileSync(`${THREADS}/${id}/comm`, 'utf8').trim();
      if (name === 'libvips worker') setPriority(Number(id), NICENESS);
    } catch {
      // It has ended, or a sandbox forbids it: then images are as important as chunks.
    }
  }
}
