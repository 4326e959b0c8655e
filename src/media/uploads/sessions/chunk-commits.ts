import { Injectable } from '@nestjs/common';
import { Batcher } from '../../../concurrency/batcher.js';
import { Config } from '../../../config/config.js';
import { Database } from '../../../database/database.js';
import type { ByteRange } from '../chunks/content-range.js';
import { extendedExpiry } from './expiry.js';

/** A chunk whose bytes are durable. */
export interface WrittenChunk {
  readonly uploadId: string;
  readonly ownerId: string;
  readonly range: ByteRange;
  /** Last part of the upload, as far as this process knows. */
  readonly lastPart: string | null;
  /** Part that has the bytes: the last one, or a new one. */
  readonly part: string;
  /** When a new part is too old to be committed, by the clock of Postgres. */
  readonly deadline: Date | null;
  /** Media type, if this chunk has told it. */
  readonly mime: string | null;
}

/**
 * The compare-and-set that makes chunks count. Each row is looked up by its key, whatever the planner thinks of the size of the
 * table, which may have been empty when it made the plan.
 * @param locking what to do about rows that another transaction has locked
 */
const commitStatement = (expiry: string, locking: 'FOR UPDATE' | 'FOR UPDATE SKIP LOCKED') => `
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
  SELECT id, expires_at FROM moved`;

/** Commits chunks, each in the same statement as all others that are waiting: one round trip and one sync for many. */
@Injectable()
export class ChunkCommits {
  private readonly statement: string;
  private readonly waitingStatement: string;
  private readonly batcher = new Batcher((chunks: readonly WrittenChunk[]) =>
    this.commitAll(this.statement, chunks),
  );

  constructor(
    { uploads }: Config,
    private readonly db: Database,
  ) {
    const expiry = extendedExpiry(uploads);
    this.statement = commitStatement(expiry, 'FOR UPDATE SKIP LOCKED');
    this.waitingStatement = commitStatement(expiry, 'FOR UPDATE');
  }

  /**
   * Returns when the upload expires; undefined if the row is not, or no longer, as the chunk needs it, or is locked. If it
   * throws, the outcome may be unknown: the part must be left alone.
   */
  async commit(chunk: WrittenChunk): Promise<Date | undefined> {
    return await this.batcher.add(chunk);
  }

  /** As `commit`, but waits for a locked row. */
  async commitPatiently(chunk: WrittenChunk): Promise<Date | undefined> {
    const [expiresAt] = await this.commitAll(this.waitingStatement, [chunk]);
    return expiresAt;
  }

  private async commitAll(statement: string, chunks: readonly WrittenChunk[]): Promise<(Date | undefined)[]> {
    const { rows } = await this.db.query<{ id: string; expires_at: Date }>(statement, [
      chunks.map(({ uploadId }) => uploadId),
      chunks.map(({ ownerId }) => ownerId),
      chunks.map(({ range }) => range.total),
      chunks.map(({ range }) => range.start),
      chunks.map(({ range }) => range.end + 1),
      chunks.map(({ lastPart }) => lastPart),
      chunks.map(({ part }) => part),
      chunks.map(({ deadline }) => deadline),
      chunks.map(({ mime }) => mime),
    ]);
    const expiries = new Map(rows.map(({ id, expires_at }) => [id, expires_at]));
    return chunks.map(({ uploadId }) => expiries.get(uploadId));
  }
}
