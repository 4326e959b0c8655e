import { buffer } from 'node:stream/consumers';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { BlobStorage, type Area } from '../../../storage/blob-storage.js';

/** Covers thumbnails and most images. */
const SMALL_BYTES = 256 * 1024;
const KEPT_BYTES = 32 * 1024 * 1024;
const KEPT_MS = 5000;
/** Bytes in responses that clients have not read yet. */
const MAX_UNREAD_BYTES = 32 * 1024 * 1024;

interface Blob {
  readonly area: Area;
  readonly key: string;
  readonly size: number;
}

/** Caches small blobs in memory for some seconds. They never change, and the row tells whether one still exists. */
@Injectable()
export class SmallBlobs {
  private readonly kept = new LRUCache<string, Buffer, Blob>({
    maxSize: KEPT_BYTES,
    sizeCalculation: ({ length }) => length,
    ttl: KEPT_MS,
    // As in `Pieces`.
    ignoreFetchAbort: true,
    fetchMethod: (_key, _stale, { context }) => this.read(context),
  });
  private unreadBytes = 0;

  constructor(private readonly storage: BlobStorage) {}

  /**
   * Returns all bytes of a blob; undefined if it is large or incomplete, or if slow clients hold too many bytes
   * already.
   */
  async get(blob: Blob): Promise<Buffer | undefined> {
    if (blob.size > SMALL_BYTES || this.unreadBytes > MAX_UNREAD_BYTES) return undefined;
    return this.kept.get(blob.key) ?? (await this.kept.fetch(blob.key, { context: blob }));
  }

  /** Counts bytes that are being sent, until the returned function is called. */
  sending(bytes: Buffer): () => void {
    this.unreadBytes += bytes.length;
    return () => (this.unreadBytes -= bytes.length);
  }

  /** Reads a blob, in turn with other streams. */
  private async read({ area, key, size }: Blob): Promise<Buffer | undefined> {
    const stream = await this.storage.stream(area, key, 0, size - 1);
    const bytes = stream && (await buffer(stream));
    return bytes?.length === size ? bytes : undefined;
  }
}
