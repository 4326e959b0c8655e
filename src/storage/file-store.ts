import { constants } from 'node:fs';
import { mkdir, opendir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { readAt, syncDirectory, withFile, writeAt } from './durable.js';
import { storing } from './storage.errors.js';

/**
 * The bytes on disk, and nothing else: no users, no sessions, no SQL. An upload in progress is `uploads/<id>`, a
 * finished file `files/<key>`. What a resolved promise here says is on the disk: it survives a power cut.
 */
@Injectable()
export class FileStore implements OnModuleInit {
  readonly uploads: string;
  readonly files: string;

  constructor({ dataDir }: Config) {
    this.uploads = join(dataDir, 'uploads');
    this.files = join(dataDir, 'files');
  }

  async onModuleInit(): Promise<void> {
    await mkdir(this.uploads, { recursive: true });
    await mkdir(this.files, { recursive: true });
    await syncDirectory(dirname(this.uploads));
  }

  uploadPath(id: string): string {
    return join(this.uploads, id);
  }

  filePath(key: string): string {
    return join(this.files, key);
  }

  /** Where the bytes of a session are: an earlier completion may have renamed them and ended before its commit. */
  async locate(id: string, key: string): Promise<string> {
    return await storing(async () =>
      (await exists(this.uploadPath(id))) ? this.uploadPath(id) : this.filePath(key),
    );
  }

  /**
   * Writes a chunk at its offset, which the database decides: never at the end of the file, whose length may count
   * bytes that were never acknowledged. The first chunk creates the file. Only one writer at a time, by the row lock.
   */
  async write(id: string, offset: number, bytes: Buffer): Promise<void> {
    await storing(async () => {
      const flags = offset === 0 ? constants.O_RDWR | constants.O_CREAT : constants.O_RDWR;
      await withFile(this.uploadPath(id), flags, async (file) => {
        // The directory entry is needed from the first acknowledged byte on, and is durable only once its directory is.
        if (offset === 0) await syncDirectory(this.uploads);
        await writeAt(file, bytes, offset);
        await file.datasync();
      });
    });
  }

  /** Whether the stored bytes at `position` are these. */
  async holds(path: string, position: number, bytes: Buffer): Promise<boolean> {
    return await storing(() =>
      withFile(path, 'r', async (file) => bytes.equals(await readAt(file, bytes.length, position))),
    );
  }

  /** The first bytes of a file, at most `length`. */
  async head(path: string, length: number): Promise<Buffer> {
    return await storing(() => withFile(path, 'r', (file) => readAt(file, length, 0)));
  }

  /**
   * Turns the upload `id` into the file `key`, cut to its `size`. Can be repeated: after a crash at any point the
   * next call finishes what the last one began.
   */
  async adopt(id: string, key: string, size: number): Promise<void> {
    await storing(async () => {
      if (await exists(this.uploadPath(id))) {
        await withFile(this.uploadPath(id), constants.O_RDWR, async (file) => {
          await file.truncate(size);
          await file.sync();
        });
        await rename(this.uploadPath(id), this.filePath(key));
      }
      await stat(this.filePath(key));
      // Also on a repeat: the first attempt may have ended between the rename and the sync.
      await syncDirectory(this.files);
      await syncDirectory(this.uploads);
    });
  }

  /** Removes an upload's bytes; well if they are gone. */
  async discard(id: string): Promise<void> {
    await storing(() => rm(this.uploadPath(id), { force: true }));
  }

  /** Removes a finished file; well if it is gone. */
  async remove(key: string): Promise<void> {
    await storing(() => rm(this.filePath(key), { force: true }));
  }

  /** Names of uploads last written to more than `ageSeconds` ago, in batches of at most `size`. */
  oldUploads(ageSeconds: number, size: number): AsyncGenerator<string[]> {
    return oldFiles(this.uploads, ageSeconds, size);
  }

  /** Keys of finished files older than `ageSeconds`, in batches of at most `size`. */
  oldFiles(ageSeconds: number, size: number): AsyncGenerator<string[]> {
    return oldFiles(this.files, ageSeconds, size);
  }
}

async function* oldFiles(directory: string, ageSeconds: number, size: number): AsyncGenerator<string[]> {
  const latest = Date.now() - ageSeconds * 1000;
  let batch: string[] = [];
  for await (const { name } of await opendir(directory)) {
    const { ctimeMs } = await stat(join(directory, name)).catch(() => ({ ctimeMs: Infinity }));
    if (ctimeMs > latest) continue;
    if (batch.push(name) < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
