import { buffer } from 'node:stream/consumers';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { BlobStorage, type Area } from '../../../storage/blob-storage.js';

/** Thumbnails, and most images. */
const SMALL_BYTES = 256 * 1024;
const KEPT_BYTES = 32 * 1024 * 1024;
const KEPT_MS = 5000;
/** In responses whose clients have yet to read them. */
const MAX_UNREAD_BYTES = 32 * 1024 * 1024;

interface Blob {
  readonly area: Area;
  readonly key: string;
  readonly size: number;
}

/** Keeps small blobs in memory for some seconds: they never change. Whether one is still there, its row tells. */
@Injectable()
export class SmallBlobs {
  private readonly kept = new LRUCache<string, Buffer, Blob>({
    maxSize: KEPT_BYTES,
    sizeCalculation: ({ length }) => length,
    ttl: KEPT_MS,
    fetchMethod: (_key, _stale, { context }) => this.read(context),
  });
  private unreadBytes = 0;

  constructor(private readonly storage: BlobStorage) {}

  /** Returns all bytes of a blob; undefined if it is not small, not whole, or slow clients have too much already. */
  async get(blob: Blob): Promise<Buffer | undefined> {
    if (blob.size > SMALL_BYTES || this.unreadBytes > MAX_UNREAD_BYTES) return undefined;
    return this.kept.get(blob.key) ?? (await this.kept.fetch(blob.key, { context: blob }));
  }

  /** Counts bytes that go out, until the function that is returned is called. */
  sending(bytes: Buffer): () => void {
    this.unreadBytes += bytes.length;
    return () => (this.unreadBytes -= bytes.length);
  }

  /** Takes its turn among the streams of others. */
  private async read({ area, key, size }: Blob): Promise<Buffer | undefined> {
    const stream = await this.storage.stream(area, key, 0, size - 1);
    const bytes = stream && (await buffer(stream));
    return bytes?.length === size ? bytes : undefined;
  }
}
