import type { Queryable } from '../database/database.js';

// graphile-worker itself waits four hours before it releases the jobs of a process that has ended.

/** The class of the advisory locks of living processes, which separates them from other locks in the database. */
export const LOCK_SPACE = 7_326_120;

/**
 * Releases jobs and queues that processes which have ended locked more than `afterMs` ago. Returns their number.
 * @param schema quoted
 */
export async function releaseAbandoned(db: Queryable, schema: string, afterMs: number): Promise<number> {
  const { rows } = await db.query<{ jobs: number }>(
    `SELECT ${schema}.force_unlock_workers(array_agg(DISTINCT locked_by)), count(*)::integer AS jobs FROM ${schema}.jobs
     WHERE locked_at < now() - interval '${afterMs} milliseconds' AND NOT EXISTS (
       SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1
         AND objid = (hashtext(locked_by)::bigint & 4294967295)::oid
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
     HAVING count(*) > 0`,
    [LOCK_SPACE],
  );
  // A job that ran twice, because its process seemed to have ended, leaves its queue locked.
  const { rowCount: queues } = await db.query(
    `UPDATE ${schema}._private_job_queues AS queue SET locked_at = NULL, locked_by = NULL
     WHERE locked_at < now() - interval '${afterMs} milliseconds' AND NOT EXISTS (
       SELECT FROM ${schema}._private_jobs WHERE job_queue_id = queue.id AND locked_at IS NOT NULL)`,
  );
  return (rows[0]?.jobs ?? 0) + (queues ?? 0);
}
