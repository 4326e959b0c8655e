import type { FileHandle } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Piscina } from 'piscina';
import { ServiceUnavailable } from '../../../errors/app-error.js';

export interface Digest {
  /** Bytes that could be read, at most those asked for. */
  readonly size: number;
  /** 32 hex digits, lower case. */
  readonly md5: string;
  /** 64 hex digits, lower case. */
  readonly sha256: string;
  /** A name of the WHATWG Encoding Standard, or `UNKNOWN`; null if the file is not text. */
  readonly charset: string | null;
}

/** Checksums of whole files, off the event loop. */
@Injectable()
export class Digester implements OnApplicationShutdown {
  private readonly workers = new Piscina<{ fd: number; size: number }, Digest>({
    filename: fileURLToPath(new URL('./digest.worker.js', import.meta.url)),
    minThreads: 0,
    maxThreads: 2,
    idleTimeout: 30_000,
    // Its block of memory is outside of the heap.
    resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 },
  });

  private failure = new AbortController();

  constructor() {
    // Piscina rejects no task when a worker fails to start, so waiting tasks are aborted here.
    this.workers.on('error', (cause) => {
      this.failure.abort(cause);
      this.failure = new AbortController();
    });
  }

  /** @param file stays open until the digest is there; file descriptors are shared between threads */
  async digest(file: FileHandle, size: number): Promise<Digest> {
    try {
      return await this.workers.run({ fd: file.fd, size }, { signal: this.failure.signal });
    } catch (cause) {
      throw new ServiceUnavailable('The stored bytes could not be read', cause);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.workers.close({ force: true });
  }
}
