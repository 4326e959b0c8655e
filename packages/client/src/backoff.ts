import { onOnline } from './network.js';

export interface RetryPolicy {
  /** How often to try again before giving up; whatever moves the upload forward starts the count anew. */
  readonly limit: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

/** About two and a half minutes without any progress. */
export const PATIENT: RetryPolicy = { limit: 20, firstDelayMs: 300, maxDelayMs: 10_000 };

/** A server that asks for more is asked again all the same: nobody watches a bar that stands still for an hour. */
const MAX_WAIT_MS = 60_000;

/** Doubling delays, each half fixed and half random, so that many clients do not come back as one. */
export class Backoff {
  private failures = 0;

  constructor(private readonly policy: RetryPolicy) {}

  /**
   * @param atLeastMs what the server asked for, which counts up to a minute
   * @returns how long to wait before the next attempt; undefined when it is time to give up
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

// A longer timer fires at once.
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Resolves after a time, or as soon as a browser is back on its network; rejects when `signal` says stop.
 * @param how in the background a wait does not keep a process alive
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
