import { open, type FileHandle } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { FILE_MODE } from './files.js';

/**
 * Keeps files open between the chunks of an upload, which saves two of three trips to the thread pool (decisions/005).
 * Only idle files are kept here: a file in use belongs to its user, so none is ever closed during a write. The space of
 * a file that is removed while it is kept is free some seconds later.
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

  /** Opens `path`, or uses the open file. Closes it after a failure, because a failed sync must not be retried. */
  async use<T>(path: string, flags: number, work: (file: FileHandle) => Promise<T>): Promise<T> {
    const file = this.take(path) ?? (await open(path, flags, FILE_MODE));
    let result: T;
    try {
      result = await work(file);
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
    this.idle.set(path, file);
    return result;
  }

  async closeAll(): Promise<void> {
    for (const path of this.idle.keys()) await this.take(path)?.close();
  }

  private take(path: string): FileHandle | undefined {
    const file = this.idle.get(path);
    this.idle.delete(path);
    return file;
  }
}
