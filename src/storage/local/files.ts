import { open, opendir, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../errors/has-code.js';

/** Mode of files that hold what users uploaded. */
export const FILE_MODE = 0o640;

/** Makes the entries of a directory (files created, renamed or removed in it) survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  await withFile(path, 'r', (directory) => directory.sync());
}

/** Opens, works, closes. An error of close is thrown: it may be the first sign of a failed write. */
export async function withFile<T>(
  path: string,
  flags: string | number,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(path, flags, FILE_MODE);
  let result: T;
  try {
    result = await work(file);
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
  await file.close();
  return result;
}

/** More in one call would hold up other files on a slow disk: the thread pool has four threads. */
const MAX_WRITE_BYTES = 1024 * 1024;

/** Writes all of `bytes` at `position`; the kernel may take less than it is given. */
export async function writeAt(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(
      bytes,
      done,
      Math.min(bytes.length - done, MAX_WRITE_BYTES),
      position + done,
    );
    done += bytesWritten;
  }
}

/** Reads `length` bytes at `position`, fewer only where the file ends. @param bytes memory for them */
export async function readAt(
  file: FileHandle,
  length: number,
  position: number,
  bytes: Buffer = Buffer.allocUnsafe(length),
): Promise<Buffer> {
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

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

/** Resolves to undefined where the call failed because there is no such file. */
export async function unlessAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
