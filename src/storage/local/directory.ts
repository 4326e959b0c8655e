import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Lists files that were last changed more than `ageSeconds` ago, in batches of at most `batchSize` names. */
export async function* oldFiles(
  directory: string,
  ageSeconds: number,
  batchSize: number,
): AsyncGenerator<string[]> {
  const latest = Date.now() - ageSeconds * 1000;
  let batch: string[] = [];
  for await (const { name } of await opendir(directory)) {
    // The time of the last change of the inode, which a rename or a new link counts as.
    const { ctimeMs } = await stat(join(directory, name)).catch(() => ({ ctimeMs: Infinity }));
    if (ctimeMs > latest) continue;
    if (batch.push(name) < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Returns a size in bytes; undefined if there is no such file. */
export async function sizeOf(path: string): Promise<number | undefined> {
  return (await unlessAbsent(stat(path)))?.size;
}

/** Resolves to undefined where the call failed because there is no such file. */
export async function unlessAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
