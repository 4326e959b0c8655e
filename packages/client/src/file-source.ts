import { open, realpath, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Source } from './platform.js';
import { fileChanged, LocalError } from './upload-error.js';

export class FileSource implements Source {
  private constructor(
    private readonly file: FileHandle,
    readonly size: number,
    readonly name: string,
    readonly fingerprint: string,
    private readonly modified: bigint,
  ) {}

  static async open(path: string | URL, name?: string): Promise<FileSource> {
    try {
      const real = await realpath(path instanceof URL ? fileURLToPath(path) : path);
      const file = await open(real);
      const stats = await file.stat({ bigint: true });
      if (!stats.isFile()) {
        await file.close();
        throw new Error(`${real} is not a file`);
      }
      const fingerprint = `path ${real} ${stats.size} ${stats.mtimeNs}`;
      return new FileSource(file, Number(stats.size), name ?? basename(real), fingerprint, stats.mtimeNs);
    } catch (error) {
      throw unreadable(error);
    }
  }

  /** Compares the modification time after reading, so that all bytes are from one version of the file. */
  async read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(end - start);
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await readable(this.file.read(bytes, at, bytes.length - at, start + at));
      if (bytesRead === 0) throw fileChanged();
      at += bytesRead;
    }
    const { size, mtimeNs } = await readable(this.file.stat({ bigint: true }));
    if (Number(size) !== this.size || mtimeNs !== this.modified) throw fileChanged();
    return bytes;
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

async function readable<T>(result: Promise<T>): Promise<T> {
  return await result.catch((error: unknown) => {
    throw unreadable(error);
  });
}

function unreadable(error: unknown): LocalError {
  return new LocalError('source-unreadable', (error as Error).message, error);
}
