import type { Config } from '../../../config/config.js';
import type { Statement } from '../../../database/database.js';
import type { AppError } from '../../../errors/app-error.js';
import { reservedQuotaExceeded, storedQuotaExceeded, tooManyUploads } from '../upload.errors.js';

// How much one user may have. There is no counter that a crash could leave wrong: what ends is free at once, what expires is
// free by the clock of Postgres.

/** Tells these locks from those of anybody else in the database. */
const LOCK_SPACE = 7_326_119;

/**
 * A CTE `quota (refusal)` for an upload of $1 that has $2 bytes; $3 to $6 are the limits, null for none. Open uploads count
 * with their totals, finished ones with their files, thumbnails and originals that are kept for retries. The last rule: all that is
 * open must fit once it is complete.
 */
export const QUOTA = `
  open_uploads AS (
    SELECT count(*) + 1 AS number, coalesce(sum(total), 0) + $2::bigint AS reserved
    FROM upload_session WHERE owner_id = $1 AND state = 'open' AND expires_at > now()),
  stored AS (
    SELECT (SELECT coalesce(sum(size + coalesce(thumbnail_size, 0)), 0)
            FROM media WHERE owner_id = $1 AND $5::bigint IS NOT NULL)
         + (SELECT coalesce(sum(total), 0) FROM upload_session
            WHERE owner_id = $1 AND state = 'complete' AND cleaned_at IS NULL AND $5::bigint IS NOT NULL) AS bytes),
  quota AS (
    SELECT CASE WHEN bytes + $2 > $5 THEN 'stored'
                WHEN number > $3::bigint THEN 'open'
                WHEN reserved > $4::bigint THEN 'reserved'
                WHEN number > 1 AND reserved > $6::float8 THEN 'share'
                WHEN bytes + reserved > $5 THEN 'promised' END AS refusal
    FROM open_uploads, stored)`;

export type QuotaRefusal = 'stored' | 'open' | 'reserved' | 'share' | 'promised';

/**
 * Serializes the first chunks of a user until the end of the transaction, so that they see each other. A statement of its own:
 * the next one sees what was committed before it began.
 */
export const lockUser = (ownerId: string): Statement => [
  `SELECT pg_advisory_xact_lock($1, hashtext($2))`,
  [LOCK_SPACE, ownerId],
];

/** Values of the parameters of `QUOTA`. */
export const quotaParameters = (
  { openUploads, reservedBytes, storedBytes }: Config['limits'],
  { ownerId, total, share }: { readonly ownerId: string; readonly total: number; readonly share: number },
): unknown[] => [
  ...[ownerId, total],
  ...[openUploads, reservedBytes, storedBytes].map((limit) => limit || null),
  share,
];

/** @param share see `FreeSpace.reserve` */
export function quotaError(refusal: QuotaRefusal, limits: Config['limits'], share: number): AppError {
  if (refusal === 'stored') return storedQuotaExceeded(limits.storedBytes);
  if (refusal === 'open') return tooManyUploads(limits.openUploads);
  const { reservedBytes: reserved, storedBytes: promised } = limits;
  return reservedQuotaExceeded({ reserved, promised, share: Math.floor(share) }[refusal]);
}
