import { onOnline } from './network.js';

export interface RetryPolicy {
  /** How often to retry before giving up. Any progress resets the count. */
  readonly limit: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

/** About two and a half minutes without any progress. */
export const PATIENT: RetryPolicy = { limit: 20, firstDelayMs: 300, maxDelayMs: 10_000 };

/** The longest delay, even if the server asks for more: nobody watches a progress bar for an hour. */
const MAX_WAIT_MS = 60_000;

/** Doubling delays, each half fixed and half random, so that clients do not retry all at once. */
export class Backoff {
  private failures = 0;

  constructor(private readonly policy: RetryPolicy) {}

  /**
   * @param atLeastMs the delay that the server asked for, of which at most a minute counts
   * @returns how long to wait before the next attempt; undefined to give up
   */
  next(atLeastMs = 0): number | undefined {
    const { limit, firstDelayMs, maxDelayMs } = this.policy;
    if (this.failures >= limit) return undefined;
    const ceiling = Math.min(maxDelayMs, firstDelayMs * 2 ** this.failures++);
    const delayMs = (ceiling / 2) * (1 + Math.random());
    return Math.max(delayMs, Math.min(atLeastMs + delayMs, MAX_WAIT_MS));
  }

  reset(): void {
    this.failures = 0;
  }
}

// Longer timers fire at once.
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Resolves after a delay, or as soon as a browser is back online. Rejects when `signal` aborts.
 * @param how 'in the background': the wait does not keep a process alive
 */
export async function pause(ms: number, signal: AbortSignal, how?: 'in the background'): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve) => {
    const timer: number | { unref?: () => void } = setTimeout(done, Math.min(ms, MAX_TIMER_MS));
    if (how && typeof timer === 'object') timer.unref?.();
    signal.addEventListener('abort', done);
    const endOnline = onOnline(done);
    function done() {
      clearTimeout(timer as number);
      signal.removeEventListener('abort', done);
      endOnline();
      resolve();
    }
  });
  signal.throwIfAborted();
}
