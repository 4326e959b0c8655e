/** Beyond this number, keys that owe nothing are forgotten at the next look. */
const MAX_KEYS = 10_000;

/**
 * Limits bytes per second for each key. A key over its rate owes time, and pays by waiting
 * (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm).
 */
export class ByteRateLimiter {
  /** When each key has paid, in milliseconds. */
  private readonly paidAt = new Map<string, number>();

  /** @param bytesPerSecond 0: no limit */
  constructor(
    private readonly bytesPerSecond: number,
    private readonly now = () => performance.now(),
  ) {}

  /** Returns how long the key has to wait, in milliseconds. */
  waitMs(key: string): number {
    return Math.max(0, (this.paidAt.get(key) ?? 0) - this.now());
  }

  consume(key: string, bytes: number): void {
    if (this.bytesPerSecond === 0) return;
    const now = this.now();
    if (this.paidAt.size >= MAX_KEYS) this.forget(now);
    const from = Math.max(now, this.paidAt.get(key) ?? 0);
    this.paidAt.set(key, from + (bytes / this.bytesPerSecond) * 1000);
  }

  private forget(now: number): void {
    for (const [key, paidAt] of this.paidAt) if (paidAt <= now) this.paidAt.delete(key);
  }
}
