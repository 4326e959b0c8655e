import { LRUCache } from 'lru-cache';

/**
 * Limits bytes per second for each key. A key over its rate owes time, and pays by waiting
 * (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm).
 */
export class ByteRateLimiter {
  /** When each key has paid, in milliseconds. */
  private readonly paidAt = new LRUCache<string, number>({ max: 10_000 });

  constructor(
    private readonly bytesPerSecond: number,
    private readonly now = () => performance.now(),
  ) {}

  waitMs(key: string): number {
    return Math.max(0, (this.paidAt.get(key) ?? 0) - this.now());
  }

  consume(key: string, bytes: number): void {
    const from = Math.max(this.now(), this.paidAt.get(key) ?? 0);
    this.paidAt.set(key, from + (bytes / this.bytesPerSecond) * 1000);
  }
}
