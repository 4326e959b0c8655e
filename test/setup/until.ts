import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks again until the answer holds.
 * @throws Error with the last answer, after a minute
 */
export async function until<T>(what: () => Promise<T>, holds: (value: T) => unknown): Promise<T> {
  for (const deadline = Date.now() + 60_000; ; await sleep(20)) {
    const value = await what();
    if (holds(value)) return value;
    if (Date.now() > deadline) throw new Error(`Still ${JSON.stringify(value)}`);
  }
}
