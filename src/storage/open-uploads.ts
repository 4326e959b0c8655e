import { open, type FileHandle } from 'node:fs/promises';
import { FILE_MODE } from './durable.js';

/** Beyond these the longest unused one is closed. Well below the 1024 descriptors that systems give by default. */
const MOST = 256;
/** Chunks come in series; an upload that pauses for longer can pay for another open. */
const IDLE_MS = 5000;

interface Idle {
  readonly file: FileHandle;
  readonly expiry: NodeJS.Timeout;
}

/**
 * Files that stay open between the chunks of an upload, which saves two of its three trips to the thread pool
 * (decisions/005). Only idle ones are here: a file in use belongs to its user, so nothing is ever closed under a write.
 */
export class OpenUploads {
  private readonly idle = new Map<string, Idle>();

  /** Opens `path` or takes the open one. After a failure it is closed for good: a failed sync must not be tried again. */
  async use(path: string, flags: number, work: (file: FileHandle) => Promise<void>): Promise<void> {
    const file = this.take(path) ?? (await open(path, flags, FILE_MODE));
    try {
      await work(file);
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
    await this.keep(path, file);
  }

  /** What the next use finds open. */
  fileOf(path: string): FileHandle | undefined {
    return this.idle.get(path)?.file;
  }

  /** Before the file is renamed or removed. */
  async close(path: string): Promise<void> {
    await this.take(path)?.close();
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.idle.keys()].map((path) => this.close(path)));
  }

  private take(path: string): FileHandle | undefined {
    const idle = this.idle.get(path);
    if (!idle) return undefined;
    this.idle.delete(path);
    clearTimeout(idle.expiry);
    return idle.file;
  }

  private async keep(path: string, file: FileHandle): Promise<void> {
    const expiry = setTimeout(() => void this.close(path).catch(() => undefined), IDLE_MS).unref();
    const another = this.take(path);
    this.idle.set(path, { file, expiry });
    await another?.close();
    // A Map keeps the order of insertion, which is that of use here.
    const [oldest] = this.idle.keys();
    if (this.idle.size > MOST && oldest !== undefined) await this.close(oldest);
  }
}
