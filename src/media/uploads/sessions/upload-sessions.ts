import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Batcher } from '../../../concurrency/batcher.js';
import { Config } from '../../../config/config.js';
import { Database, type Queryable } from '../../../database/database.js';
import { ServiceUnavailable } from '../../../errors/app-error.js';
import { BlobStorage } from '../../../storage/blob-storage.js';
import type { Digest } from '../../content/digest/digester.js';
import { deadlineAfter, longWaitMs } from '../../deadline.js';
import type { Chunk } from '../chunks/chunk-request.js';
import { lockUser, quotaError, quotaParameters, type QuotaRefusal } from '../limits/user-quota.js';
import { uploadCancelled, uploadExpired, uploadNotFound, uploadRejected } from '../upload.errors.js';
import { OPEN, STATE } from './statements.js';
import { isUploadId, type Rejection, type UploadSession } from './upload-session.entity.js';
import type { Position } from './upload-store.js';

interface OpenedRow {
  readonly refusal: QuotaRefusal | null;
  readonly expires_at: Date | null;
}

/** A first chunk, and what its session will be. */
type FirstChunk = Chunk & Pick<UploadSession, 'id' | 'ownerId' | 'mime'>;

/** The fields of a session that decide how it may end. */
type SessionState = Pick<UploadSession, 'state' | 'mediaId' | 'rejection'>;

/** How sessions begin and end. A method that takes `db` belongs to the caller's transaction. */
@Injectable()
export class UploadSessions {
  private readonly batchers = new LRUCache<string, Batcher<unknown[], OpenedRow>>({ max: 1000 });

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly storage: BlobStorage,
  ) {}

  /**
   * Writes the first part, then inserts it and its session in one round trip. Undefined if the Idempotency-Key is taken or the
   * part too old; then it is removed.
   * @param share bytes that the open uploads of a user may have together, unless it is only one
   * @param now what Postgres answered last
   * @throws tooManyUploads, reservedQuotaExceeded, storedQuotaExceeded
   */
  async open(chunk: FirstChunk, share: number, now: Date): Promise<Position | undefined> {
    const { limits, sweep, uploads } = this.config;
    const { id, ownerId, mime } = chunk;
    const { total } = chunk.range;
    const offset = chunk.bytes.length;
    const name = await this.storage.createPart(id, chunk.bytes);
    // It may be a whole file.
    const deadline = deadlineAfter(now, longWaitMs(sweep.orphanAgeSeconds));
    const { expires_at: expiresAt, refusal } = await this.batcherOf(ownerId).add([
      ...quotaParameters(limits, { ownerId, total, share }),
      ...[id, offset, name, chunk.fileName, mime, chunk.idempotencyKey ?? null],
      ...[chunk.expires ?? null, uploads.ttlSeconds, uploads.maxTtlSeconds, deadline],
    ]);
    if (expiresAt) return { id, ownerId, total, offset, part: { start: 0, name }, mime, expiresAt, now };
    await this.storage.remove('uploads', name);
    if (refusal) throw quotaError(refusal, limits, share);
    return undefined;
  }

  /** First chunks of one user that come at the same time share a transaction, and its lock, round trip and sync. */
  private batcherOf(ownerId: string): Batcher<unknown[], OpenedRow> {
    const insert = async (all: readonly unknown[][]) => {
      const opens = all.map((values) => [OPEN, values] as const);
      const [, ...results] = await this.db.pipelineTransaction<OpenedRow>(lockUser(ownerId), ...opens);
      return results.flatMap(({ rows }) => rows);
    };
    const batcher = this.batchers.get(ownerId) ?? new Batcher(insert);
    this.batchers.set(ownerId, batcher);
    return batcher;
  }

  /** Nobody else changes the session before the transaction ends. */
  async lock(db: Queryable, ownerId: string, id: string): Promise<SessionState | undefined> {
    if (!isUploadId(id)) return undefined;
    const { rows } = await db.query<SessionState>(
      `SELECT media_id AS "mediaId", rejection, ${STATE}
       FROM upload_session WHERE id = $1 AND owner_id = $2 FOR UPDATE`,
      [id, ownerId],
    );
    return rows[0];
  }

  /**
   * Ends an open session with its media.
   * @throws ServiceUnavailable if the upload has changed since it was read (fsck found bytes missing), or the file is so old
   * that it may have been swept as an orphan
   */
  async complete(db: Queryable, { id, part }: UploadSession, mediaId: number, deadline: Date): Promise<void> {
    const { rowCount } = await db.query(
      `UPDATE upload_session SET state = 'complete', media_id = $2
       WHERE id = $1 AND state = 'open' AND "offset" = total AND part = $3 AND now() < $4`,
      [id, mediaId, part, deadline],
    );
    if (rowCount === 0) throw new ServiceUnavailable('The upload changed during completion; try again');
  }

  /** Keeps the checksums of an upload whose bytes are all there: they never change. */
  async keepDigest({ id, part }: UploadSession, digest: Digest): Promise<void> {
    await this.db.query(
      `UPDATE upload_session SET digest = $3 WHERE id = $1 AND state = 'open' AND "offset" = total AND part = $2`,
      [id, part, digest],
    );
  }

  /** Ends an open session without a media; its bytes go next. */
  async abandon(db: Queryable, id: string, state: 'cancelled' | 'expired'): Promise<void> {
    await db.query(`UPDATE upload_session SET state = $2 WHERE id = $1 AND state = 'open'`, [id, state]);
  }

  /** Refuses the content of an open session and removes its bytes. False if it has changed since it was read. */
  async reject({ id, offset, part }: UploadSession, { code, detail }: Rejection): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE upload_session SET state = 'rejected', rejection = $4
       WHERE id = $1 AND state = 'open' AND "offset" = $2 AND part = $3`,
      [id, offset, part, { code, detail }],
    );
    if (rowCount === 1) await this.clean(id);
    return rowCount === 1;
  }

  /** Removes the parts of a session that is over: first the rows, then the blobs. What a crash leaves is swept as an orphan. */
  async clean(id: string): Promise<void> {
    await this.storage.removeAll('uploads', await this.removeParts(id));
  }

  /** Like `clean`, but may return before the blobs are removed. */
  async discard(id: string): Promise<void> {
    await this.storage.discard('uploads', await this.removeParts(id));
  }

  private async removeParts(id: string): Promise<string[]> {
    const { rows } = await this.db.query<{ name: string }>(
      `WITH cleaned AS (UPDATE upload_session SET cleaned_at = now() WHERE id = $1)
       DELETE FROM upload_part WHERE upload_id = $1 RETURNING name`,
      [id],
    );
    return rows.map(({ name }) => name);
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
