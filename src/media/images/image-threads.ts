import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';

const THREADS = '/proc/self/task';
/** A third of the usual share if all cores are busy, which is enough to finish in time. */
const NICENESS = 5;

/**
 * Gives chunks priority over decoding images. On Linux every thread has its own priority, and libvips does nearly all
 * of its work in named threads. Each image may start new ones.
 */
export function lowerImageThreads(): void {
  if (process.platform !== 'linux') return;
  for (const id of readdirSync(THREADS)) {
    try {
      const name = readFileSync(`${THREADS}/${id}/comm`, 'utf8').trim();
      if (name === 'libvips worker') setPriority(Number(id), NICENESS);
    } catch {
      // The thread has ended, or a sandbox forbids this. Images then have the same priority as chunks.
    }
  }
}
