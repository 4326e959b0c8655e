/** Beyond these, keys that owe nothing are forgotten at the next look. */
const MOST = 10_000;

/**
 * Bytes per second of many keys. What is over the rate is a debt in time, which its key pays off by waiting
 * (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm).
 */
export class Pace {
  /** When each key has paid, in milliseconds. */
  private readonly paidAt = new Map<string, number>();

  /** @param bytesPerSecond 0: any number */
  constructor(
    private readonly bytesPerSecond: number,
    private readonly now = () => performance.now(),
  ) {}

  /** How long the key has yet to wait, in milliseconds. */
  debt(key: string): number {
    return Math.max(0, (this.paidAt.get(key) ?? 0) - this.now());
  }

  /** Adds to the debt of the key. */
  charge(key: string, bytes: number): void {
    if (this.bytesPerSecond === 0) return;
    const now = this.now();
    if (this.paidAt.size >= MOST) this.forget(now);
    const from = Math.max(now, this.paidAt.get(key) ?? 0);
    this.paidAt.set(key, from + (bytes / this.bytesPerSecond) * 1000);
  }

  private forget(now: number): void {
    for (const [key, paidAt] of this.paidAt) if (paidAt <= now) this.paidAt.delete(key);
  }
}
