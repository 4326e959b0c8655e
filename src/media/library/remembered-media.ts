import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { NamedMedia } from './media.entity.js';

/** How long another process may go on to show what was changed or deleted. */
const REMEMBERED_MS = 5000;

/**
 * Rows of files, by the keys in their public names. Such a row never changes but for its title and its end, which this process
 * notices at once where they come from itself.
 */
@Injectable()
export class RememberedMedia {
  private readonly media = new LRUCache<string, NamedMedia>({ max: 10_000, ttl: REMEMBERED_MS });
  /** Ended a moment ago: who has read the row before must not bring it back. */
  private readonly ended = new LRUCache<string, true>({ max: 10_000, ttl: REMEMBERED_MS });

  get(key: string): NamedMedia | undefined {
    return this.media.get(key);
  }

  add(key: string, media: NamedMedia): void {
    if (!this.ended.has(key)) this.media.set(key, media);
  }

  /** Forgets rows whose keys may have another row soon, or none. */
  end(...keys: readonly (string | null)[]): void {
    for (const key of keys) {
      if (key === null) continue;
      this.ended.set(key, true);
      this.media.delete(key);
    }
  }
}
