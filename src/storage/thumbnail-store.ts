import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { makeDirectory, oldFiles, sizeOf } from './directory.js';
import { syncDirectory, withFile } from './durable.js';
import { storing } from './storage.errors.js';

/** Thumbnails on disk, `thumbnails/<key>`. A key is used once, so a file never changes. */
@Injectable()
export class ThumbnailStore implements OnModuleInit {
  readonly directory: string;

  constructor({ dataDir }: Config) {
    this.directory = join(dataDir, 'thumbnails');
  }

  async onModuleInit(): Promise<void> {
    await makeDirectory(this.directory);
  }

  path(key: string): string {
    return join(this.directory, key);
  }

  async write(key: string, bytes: Buffer): Promise<void> {
    await storing(async () => {
      await withFile(this.path(key), 'wx', async (file) => {
        await file.writeFile(bytes);
        await file.sync();
      });
      await syncDirectory(this.directory);
    });
  }

  /** Well if it is gone. */
  async remove(key: string): Promise<void> {
    await storing(() => rm(this.path(key), { force: true }));
  }

  /** In bytes; undefined when there is no such thumbnail. */
  async lengthOf(key: string): Promise<number | undefined> {
    return await storing(() => sizeOf(this.path(key)));
  }

  /** Keys of thumbnails older than `ageSeconds`, in batches of at most `size`. */
  old(ageSeconds: number, size: number): AsyncGenerator<string[]> {
    return oldFiles(this.directory, ageSeconds, size);
  }
}
