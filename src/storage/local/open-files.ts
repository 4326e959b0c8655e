import { open, type FileHandle } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { FILE_MODE } from './files.js';

/**
 * Keeps files open between the chunks of an upload, which saves two of three trips to the thread pool (decisions/005). Only
 * idle files are kept here: a file in use belongs to its user, so none is ever closed during a write.
 */
export class OpenFiles {
  /** Well below the 1024 descriptors that systems allow by default. An upload that pauses can pay for another open. */
  private readonly idle = new LRUCache<string, FileHandle>({
    max: 256,
    ttl: 5000,
    ttlAutopurge: true,
    dispose: (file, _path, reason) => {
      if (reason !== 'delete') void file.close().catch(() => undefined);
    },
  });

  /** Opens `path` or takes the open file. After a failure it is closed for good: a failed sync must not be tried again. */
  async use(path: string, flags: number, work: (file: FileHandle) => Promise<void>): Promise<void> {
    const file = this.take(path) ?? (await open(path, flags, FILE_MODE));
    try {
      await work(file);
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
    this.idle.set(path, file);
  }

  /** Call before the file is removed. */
  async close(path: string): Promise<void> {
    await this.take(path)?.close();
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.idle.keys()].map((path) => this.close(path)));
  }

  private take(path: string): FileHandle | undefined {
    const file = this.idle.get(path);
    this.idle.delete(path);
    return file;
  }
}
