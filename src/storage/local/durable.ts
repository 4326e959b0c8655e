import { open, rm, type FileHandle } from 'node:fs/promises';

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

/** Removes a new file whose writing has failed: no row names it, and it may be what fills the disk. */
export async function removeOnFailure(path: string, writing: Promise<void>): Promise<void> {
  try {
    await writing;
  } catch (error) {
    await rm(path, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Writes all of `bytes` at `position`; the kernel may take less than it is given. */
export async function writeAt(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Reads `length` bytes at `position`, fewer only where the file ends. */
export async function readAt(file: FileHandle, length: number, position: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
