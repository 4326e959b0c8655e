import { mkdir, opendir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory } from './durable.js';

/** Makes a directory if it is not there, to stay. */
export async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await syncDirectory(dirname(path));
}

/** Names of files that were last changed more than `ageSeconds` ago, in batches of at most `size`. */
export async function* oldFiles(
  directory: string,
  ageSeconds: number,
  size: number,
): AsyncGenerator<string[]> {
  const latest = Date.now() - ageSeconds * 1000;
  let batch: string[] = [];
  for await (const { name } of await opendir(directory)) {
    // The time of the last change of the inode, which a rename counts as.
    const { ctimeMs } = await stat(join(directory, name)).catch(() => ({ ctimeMs: Infinity }));
    if (ctimeMs > latest) continue;
    if (batch.push(name) < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** In bytes; undefined when there is no such file. */
export async function sizeOf(path: string): Promise<number | undefined> {
  return (await unlessAbsent(stat(path)))?.size;
}

/** What a call on a file gives; undefined when there is no such file. */
export async function unlessAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
