import type { Config } from '../../../config/config.js';

/** How far the expiry may lag behind the last chunk. */
const STEP_SECONDS = 60;

/**
 * SQL for the expiry of a session that has taken a chunk. The column is indexed, and a new value in an index makes an update
 * more expensive, so it moves in steps.
 */
export function extendedExpiry({ ttlSeconds, maxTtlSeconds }: Config['uploads']): string {
  const near = ttlSeconds - Math.min(STEP_SECONDS, ttlSeconds / 10);
  return `CASE WHEN expiry_slides AND expires_at < now() + interval '${near} seconds'
    THEN least(now() + interval '${ttlSeconds} seconds', created_at + interval '${maxTtlSeconds} seconds')
    ELSE expires_at END`;
}
