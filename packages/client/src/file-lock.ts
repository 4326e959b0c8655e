import { open, rm, stat } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';

/** Much longer than any lock is held. */
const STALE_MS = 1_000;
const LOOK_AGAIN_MS = 10;

/**
 * Runs work while holding a lock file, so that only one process on this machine does it at a time. Breaks the lock of a
 * process that died. Two processes that break a lock at the same moment both continue, so at worst one change is lost.
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
    // Counts how long the lock has been seen, not its age, because clocks may be set back.
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
