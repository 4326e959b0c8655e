/**
 * How long a new blob may wait for the statement that makes it count: well below the least ORPHAN_AGE_SECONDS, so that a
 * process that was frozen cannot commit a blob that the sweeper has removed.
 */
const MAX_WAIT_MS = 120_000;

/** The same for a blob that may be large, and be sent to a store over a slow uplink. */
export function longWaitMs(orphanAgeSeconds: number): number {
  return Math.max(MAX_WAIT_MS, (orphanAgeSeconds * 1000) / 2);
}

/** When a blob that is created next is too old to be committed. @param now what Postgres answered before that */
export function deadlineAfter(now: Date, waitMs = MAX_WAIT_MS): Date {
  return new Date(now.getTime() + waitMs);
}
