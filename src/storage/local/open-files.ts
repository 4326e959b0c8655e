import { open, type FileHandle } from 'node:fs/promises';
import { FILE_MODE } from './durable.js';

/** Beyond this number the one unused for longest is closed. Well below the 1024 descriptors that systems allow by default. */
const MAX_IDLE = 256;
/** Chunks come in series; an upload that pauses for longer can pay for another open. */
const IDLE_MS = 5000;

interface Idle {
  readonly file: FileHandle;
  readonly expiry: NodeJS.Timeout;
}

/**
 * Keeps files open between the chunks of an upload, which saves two of three trips to the thread pool (decisions/005). Only
 * idle files are kept here: a file in use belongs to its user, so none is ever closed during a write.
 */
export class OpenFiles {
  private readonly idle = new Map<string, Idle>();

  /** Opens `path` or takes the open file. After a failure it is closed for good: a failed sync must not be tried again. */
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

  /** Call before the file is removed. */
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
    if (this.idle.size > MAX_IDLE && oldest !== undefined) await this.close(oldest);
  }
}
