import type { Config } from '../../../config/config.js';
import { QUOTA } from '../limits/user-quota.js';

/** How far the expiry may lag behind the last chunk. */
const EXPIRY_STEP_SECONDS = 60;

/** A session past its time has expired: it ends by the clock of Postgres, not when the sweeper comes round. */
export const STATE = `CASE WHEN state = 'open' AND expires_at <= now() THEN 'expired' ELSE state END AS state`;

/** A session and the time. */
export const FIND = `
  SELECT id, owner_id AS "ownerId", total::float8 AS total, "offset"::float8 AS "offset", part,
    file_name AS "fileName", mime, digest, rejection, created_at AS "createdAt", expires_at AS "expiresAt", media_id AS "mediaId",
    (SELECT key FROM media WHERE id = media_id) AS key, now() AS now, ${STATE}
  FROM upload_session WHERE id = $1 AND owner_id = $2`;

/** An upload past its time gives its key free, though the sweeper has not come round yet. */
export const FIND_BY_KEY = `
  WITH expired AS (
    UPDATE upload_session SET state = 'expired'
    WHERE owner_id = $1 AND idempotency_key = $2 AND state = 'open' AND expires_at <= now() RETURNING id)
  SELECT now() AS now, (SELECT id FROM upload_session
    WHERE owner_id = $1 AND idempotency_key = $2 AND (state = 'complete' OR state = 'open' AND expires_at > now())) AS id`;

/** Inserts a session and its first part if the quota allows. */
export const OPEN = `
  WITH ${QUOTA},
    opened AS (
      INSERT INTO upload_session (id, owner_id, total, "offset", part, file_name, mime, idempotency_key,
                                  expiry_slides, expires_at)
      SELECT $7, $1, $2, $8, $9, $10, $11, $12, $13::timestamptz IS NULL,
             least(coalesce($13, now() + make_interval(secs => $14)), now() + make_interval(secs => $15))
      FROM quota WHERE refusal IS NULL AND now() < $16::timestamptz
      ON CONFLICT (owner_id, idempotency_key) WHERE idempotency_key IS NOT NULL AND state IN ('open', 'complete')
      DO NOTHING
      RETURNING id, expires_at),
    named AS (INSERT INTO upload_part (upload_id, start, name) SELECT id, 0, $9 FROM opened)
  SELECT refusal, (SELECT expires_at FROM opened) AS expires_at FROM quota`;

/**
 * The expiry of a session that has taken a chunk. The column is indexed, and a new value in an index makes an update more
 * expensive, so it moves in steps.
 */
export function extendedExpiry({ ttlSeconds, maxTtlSeconds }: Config['uploads']): string {
  const near = ttlSeconds - Math.min(EXPIRY_STEP_SECONDS, ttlSeconds / 10);
  return `CASE WHEN expiry_slides AND expires_at < now() + interval '${near} seconds'
    THEN least(now() + interval '${ttlSeconds} seconds', created_at + interval '${maxTtlSeconds} seconds')
    ELSE expires_at END`;
}

/**
 * The compare-and-set that makes chunks count. Each row is looked up by its key, whatever the planner thinks of the size of the
 * table, which may have been empty when it made the plan.
 * @param expiry SQL for the new expiry
 * @param locking what to do about rows that another transaction has locked
 */
export const commitStatement = (expiry: string, locking: 'FOR UPDATE' | 'FOR UPDATE SKIP LOCKED') => `
  WITH moved AS (
    UPDATE upload_session s
    SET "offset" = c.after, part = c.part, mime = coalesce(c.mime, s.mime), expires_at = ${expiry}
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
                $8::timestamptz[], $9::text[])
           AS c (id, owner_id, total, start, after, last_part, part, deadline, mime)
      CROSS JOIN LATERAL (SELECT ctid AS place FROM upload_session WHERE id = c.id ${locking}) AS locked
    WHERE s.ctid = locked.place AND s.owner_id = c.owner_id AND s.total = c.total
      AND s.state = 'open' AND s.expires_at > now()
      AND s."offset" = c.start AND s.part = c.last_part AND (c.deadline IS NULL OR now() < c.deadline)
    RETURNING s.id, s.expires_at, c.start, c.part, c.last_part),
  named AS (
    INSERT INTO upload_part (upload_id, start, name) SELECT id, start, part FROM moved WHERE part <> last_part)
  SELECT id, expires_at AS "expiresAt", now() AS now FROM moved`;
