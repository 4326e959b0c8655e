import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { NamedMedia } from './media.entity.js';

/** How long other processes may show what was changed or deleted. */
const REMEMBERED_MS = 5000;

/**
 * Caches rows of files by the keys in their public names. Only the title of such a row can change, or the row can be
 * deleted. This process notices its own changes at once.
 */
@Injectable()
export class RememberedMedia {
  private readonly media = new LRUCache<string, NamedMedia>({ max: 10_000, ttl: REMEMBERED_MS });
  /** Recently deleted rows, which a read that started earlier must not bring back. */
  private readonly ended = new LRUCache<string, true>({ max: 10_000, ttl: REMEMBERED_MS });

  get(key: string): NamedMedia | undefined {
    return this.media.get(key);
  }

  add(key: string, media: NamedMedia): void {
    if (!this.ended.has(key)) this.media.set(key, media);
  }

  /** Forgets rows that have been changed or deleted. */
  end(...keys: readonly (string | null)[]): void {
    for (const key of keys) {
      if (key === null) continue;
      this.ended.set(key, true);
      this.media.delete(key);
    }
  }
}
