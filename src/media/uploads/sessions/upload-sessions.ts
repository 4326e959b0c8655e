import { Injectable } from '@nestjs/common';
import { Config } from '../../../config/config.js';
import { Database, type Queryable } from '../../../database/database.js';
import { BlobStorage } from '../../../storage/blob-storage.js';
import { QUOTA, UserQuota, type QuotaRefusal } from '../limits/user-quota.js';
import { uploadCancelled, uploadExpired, uploadNotFound, uploadRejected } from '../upload.errors.js';
import type { Chunk } from '../chunks/chunk-request.js';
import { CommitDeadline } from './commit-deadline.js';
import { isUploadId, keyOf } from './upload-id.js';
import type { Rejection, UploadSession } from './upload-session.entity.js';

/** The first part of a new upload, which is durable. */
export interface FirstPart {
  readonly id: string;
  readonly ownerId: string;
  readonly part: string;
  /** When the part is too old to be committed, by the clock of Postgres. */
  readonly deadline: Date;
  /** Media type, if the first bytes tell it. */
  readonly mime: string | null;
}

/** What became of a first chunk. Neither: the Idempotency-Key is taken, or the part was too old. */
export interface Opened {
  readonly expiresAt: Date | null;
  readonly refusal: QuotaRefusal | null;
}

/** The fields of a session that decide how it may end. */
export type SessionState = Pick<UploadSession, 'state' | 'mediaId' | 'rejection'>;

const OPEN = `
  WITH ${QUOTA},
    opened AS (
      INSERT INTO upload_session (id, owner_id, total, "offset", part, key, file_name, mime, idempotency_key,
                                  expiry_slides, expires_at)
      SELECT $6, $1, $2, $7, $8, $9, $10, $11, $12, $13::timestamptz IS NULL,
             least(coalesce($13, now() + make_interval(secs => $14)), now() + make_interval(secs => $15))
      FROM quota WHERE refusal IS NULL AND now() < $16::timestamptz
      ON CONFLICT (owner_id, idempotency_key) WHERE idempotency_key IS NOT NULL AND state IN ('open', 'complete')
      DO NOTHING
      RETURNING id, expires_at),
    named AS (INSERT INTO upload_part (upload_id, start, name) SELECT id, 0, $8 FROM opened)
  SELECT refusal, now() AS now, (SELECT expires_at FROM opened) AS "expiresAt" FROM quota`;

/** How sessions begin and end. A method that takes `db` belongs to the caller's transaction. */
@Injectable()
export class UploadSessions {
  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly storage: BlobStorage,
    private readonly quota: UserQuota,
    private readonly deadline: CommitDeadline,
  ) {}

  /** Inserts a session and its first part if the user's quota allows: one round trip. The row is the claim. */
  async open(
    { range, bytes, fileName, expires, idempotencyKey }: Chunk,
    { id, ownerId, part, deadline, mime }: FirstPart,
  ): Promise<Opened> {
    const { ttlSeconds, maxTtlSeconds } = this.config.uploads;
    const { rows } = await this.db.pipelineTransaction<Opened & { now: Date }>(this.quota.lock(ownerId), [
      OPEN,
      [
        ...this.quota.parameters(ownerId, range.total),
        ...[id, bytes.length, part, keyOf(id), fileName, mime, idempotencyKey ?? null],
        ...[expires ?? null, ttlSeconds, maxTtlSeconds, deadline],
      ],
    ]);
    const [opened] = rows;
    if (!opened) throw new Error('A quota has one row');
    this.deadline.observe(opened.now);
    return opened;
  }

  /** Nobody else changes the session before the transaction ends. */
  async lock(db: Queryable, ownerId: string, id: string): Promise<SessionState | undefined> {
    if (!isUploadId(id)) return undefined;
    const { rows } = await db.query<SessionState>(
      `SELECT media_id AS "mediaId", rejection,
         CASE WHEN state = 'open' AND expires_at <= now() THEN 'expired' ELSE state END AS state
       FROM upload_session WHERE id = $1 AND owner_id = $2 FOR UPDATE`,
      [id, ownerId],
    );
    return rows[0];
  }

  /** Ends an open session with its media. */
  async complete(db: Queryable, id: string, mediaId: number): Promise<void> {
    await db.query(
      `UPDATE upload_session SET state = 'complete', media_id = $2 WHERE id = $1 AND state = 'open'`,
      [id, mediaId],
    );
  }

  /** Ends an open session without a media; its bytes go next. */
  async abandon(db: Queryable, id: string, state: 'cancelled' | 'expired'): Promise<void> {
    await db.query(`UPDATE upload_session SET state = $2 WHERE id = $1 AND state = 'open'`, [id, state]);
  }

  /** Refuses the content of an open session and removes its bytes. False if it has changed since it was read. */
  async reject(session: UploadSession, { code, detail }: Rejection): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE upload_session SET state = 'rejected', rejection = $4
       WHERE id = $1 AND state = 'open' AND "offset" = $2 AND part = $3`,
      [session.id, session.offset, session.part, { code, detail }],
    );
    if (rowCount === 1) await this.clean(session.id);
    return rowCount === 1;
  }

  /** Removes the parts of a session that is over: first the rows, then the blobs. What a crash leaves is swept as an orphan. */
  async clean(id: string): Promise<void> {
    const { rows } = await this.db.query<{ name: string }>(
      `WITH cleaned AS (UPDATE upload_session SET cleaned_at = now() WHERE id = $1)
       DELETE FROM upload_part WHERE upload_id = $1 RETURNING name`,
      [id],
    );
    for (const { name } of rows) await this.storage.remove('uploads', name);
  }
}

/** A session that takes chunks or retries of them: open or complete. */
export function alive<S extends SessionState>(session: S | undefined): S {
  if (!session) throw uploadNotFound();
  if (session.state === 'expired') throw uploadExpired();
  if (session.state === 'cancelled') throw uploadCancelled();
  if (session.state === 'rejected') throw uploadRejected(session.rejection);
  return session;
}
