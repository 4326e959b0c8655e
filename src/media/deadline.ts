import type { Config } from '../config/config.js';

/** In production, half of ORPHAN_AGE_SECONDS is more; tests sweep at once. */
const MIN_WAIT_MS = 120_000;

/**
 * When a blob that is begun next is too old to get its row: after half of ORPHAN_AGE_SECONDS. So a process that was frozen
 * cannot commit a blob that the sweeper has removed, and a large one has time on its way to a store.
 * @param now what Postgres answered before that
 */
export function deadlineAfter(now: Date, { orphanAgeSeconds }: Config['sweep']): Date {
  return new Date(now.getTime() + Math.max(MIN_WAIT_MS, (orphanAgeSeconds * 1000) / 2));
}
