import { open, rm, stat } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';

/** Far longer than anybody holds a lock. */
const STALE_MS = 1_000;
const LOOK_AGAIN_MS = 10;

/**
 * Does work that one holder of a lock file does at a time, on this machine. The lock of a process that died is broken. If
 * two break one at the very same moment both get through, so the work must not depend on the lock for more than its
 * newest change.
 */
export async function locked<T>(path: string, work: () => Promise<T>): Promise<T> {
  await take(path);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<void> {
  let seen: string | undefined;
  let since = performance.now();
  while (!(await create(path))) {
    // By how long it is seen, not by its age: clocks are set back.
    const holder = await identity(path);
    if (holder !== seen) [seen, since] = [holder, performance.now()];
    else if (performance.now() - since > STALE_MS) await rm(path, { force: true });
    await setTimeout(LOOK_AGAIN_MS * (0.5 + Math.random()));
  }
}

async function create(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function identity(path: string): Promise<string | undefined> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return stats && `${stats.ino} ${stats.mtimeNs}`;
}
