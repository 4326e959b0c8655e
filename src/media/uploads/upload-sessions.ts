import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { BEGUN, Database, type Queryable } from '../../database/database.js';
import { FileStore, type Copy, type Tail } from '../../storage/file-store.js';
import { Batches } from './batches.js';
import type { ByteRange } from './content-range.js';
import { UploadCancelled, UploadExpired, UploadNotFound, UploadRejected } from './upload.errors.js';

export type UploadState = 'open' | 'complete' | 'cancelled' | 'expired' | 'rejected';

/** One row of `upload_session`. Sizes are in bytes. */
export interface UploadSession {
  readonly id: string;
  readonly ownerId: string;
  readonly state: UploadState;
  readonly total: number;
  /** Bytes that are acknowledged and on disk; but for a tail, what lies beyond does not exist. */
  readonly offset: number;
  /** What its writer announced last: acknowledged if it is there. */
  readonly tail: Tail | undefined;
  readonly key: string;
  /** Name of the bytes until there is a media. */
  readonly file: string;
  /** Another process alone writes to that file, without the lock of the row. */
  readonly foreign: boolean;
  readonly fileName: string | null;
  readonly mime: string | null;
  readonly rejection: Rejection | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly mediaId: number | null;
}

export interface Rejection {
  readonly code: string;
  readonly detail: string;
}

export interface NewSession {
  readonly ownerId: string;
  readonly total: number;
  /** Of the first chunk, whose bytes are written in the same transaction. */
  readonly offset: number;
  readonly fileName: string | null;
  readonly mime: string | null;
  readonly expires: Date | undefined;
  readonly idempotencyKey: string | undefined;
}

/** An open session whose offset was moved. */
export interface Advanced {
  readonly file: string;
  /** Whether this process alone writes to the file. */
  readonly own: boolean;
  readonly expiresAt: Date;
  readonly mime: string | null;
}

/** From the start of a range to its end. */
interface Move extends ByteRange {
  readonly ownerId: string;
  readonly id: string;
}

export interface PageRequest {
  readonly limit: number;
  readonly offset: number;
}

export interface SessionPage {
  /** Of all pages. */
  readonly count: number;
  readonly sessions: readonly UploadSession[];
}

/** How far the expiry may lag behind the last chunk. */
const EXPIRY_STEP_SECONDS = 60;

// `state` tells an open session past its time as expired: it ends by the clock of Postgres, not by the sweeper's round.
const COLUMNS = `
  s.id, s.owner_id, s.total, s."offset", s.tail_end, s.tail_crc, s.key, coalesce(s.file, s.id) AS file, s.writer, s.file_name, s.mime, s.rejection, s.created_at, s.expires_at,
  s.media_id, CASE WHEN s.state = 'open' AND s.expires_at <= now() THEN 'expired' ELSE s.state END AS state`;

// It is indexed, and a new value in an index makes every update dearer: it moves in steps.
const EXPIRY = `CASE WHEN expiry_slides AND expires_at < now() + make_interval(secs => $8)
  THEN least(now() + make_interval(secs => $6), created_at + make_interval(secs => $7))
  ELSE expires_at END`;

/**
 * @param changes to the row, besides its expiry
 * @param condition what else has to be so
 */
const move = (changes: string, condition: string) => `UPDATE upload_session
  SET ${changes}, expires_at = ${EXPIRY}
  WHERE id = $1 AND owner_id = $2 AND total = $5 AND state = 'open' AND expires_at > now() AND ${condition}
  RETURNING id, expires_at, mime, coalesce(file, id) AS file, writer IS NOT NULL AS own`;

const MOVE = move(
  `"offset" = $4`,
  `"offset" = $3 AND tail_end IS NULL AND coalesce(writer, $9) = $9 AND ${BEGUN}`,
);
const ANNOUNCE = move(
  `"offset" = $3, tail_end = $4, tail_crc = $10`,
  `coalesce(tail_end, "offset") = $3 AND writer = $9`,
);

// Each row is looked up by its key, whatever the planner thinks of the size of the table, which may have been empty when it
// made the plan. One that somebody has locked is left out, or all would wait for it.
const SETTLE = `UPDATE upload_session s
  SET "offset" = m.after, tail_end = NULL, tail_crc = NULL, expires_at = ${EXPIRY}
  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) AS m (id, owner_id, before, after, total)
    CROSS JOIN LATERAL (SELECT ctid AS place FROM upload_session WHERE id = m.id FOR UPDATE SKIP LOCKED) AS locked
  WHERE s.ctid = locked.place AND s.owner_id = m.owner_id AND coalesce(s.tail_end, s."offset") = m.before
    AND s.total = m.total AND s.state = 'open' AND s.expires_at > now() AND s.writer = $9
  RETURNING s.id, s.expires_at, s.mime, coalesce(s.file, s.id) AS file, true AS own`;

/** The statements on `upload_session`. A method that takes `db` belongs to the caller's transaction. */
@Injectable()
export class UploadSessions {
  /** Of this process, which may have died and come back: never the same twice. */
  private readonly writer = randomUUID();
  private readonly settlements = new Batches((moves: readonly Move[]) => this.settleAll(moves));

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly store: FileStore,
  ) {}

  async create(
    db: Queryable,
    { ownerId, total, offset, fileName, mime, expires, idempotencyKey }: NewSession,
  ): Promise<UploadSession> {
    const id = randomBytes(16).toString('hex');
    const { ttlSeconds, maxTtlSeconds } = this.config.uploads;
    const { rows } = await db.query<Row>(
      `INSERT INTO upload_session AS s (id, owner_id, total, "offset", key, file_name, mime, expiry_slides, expires_at, idempotency_key, writer)
       SELECT $1, $2, $3, $4, $5, $6, $7, $8::timestamptz IS NULL,
              least(coalesce($8, now() + make_interval(secs => $9)), now() + make_interval(secs => $10)), $11, $12
       WHERE ${BEGUN}
       RETURNING ${COLUMNS}`,
      [
        id,
        ownerId,
        total,
        offset,
        keyOf(id),
        fileName,
        mime,
        expires ?? null,
        ttlSeconds,
        maxTtlSeconds,
        idempotencyKey ?? null,
        this.writer,
      ],
    );
    return toSession(only(rows), this.writer);
  }

  /** The session that was opened with this key, and has not ended without a media. */
  async idByKey(db: Queryable, ownerId: string, idempotencyKey: string): Promise<string | undefined> {
    const { rows } = await db.query<{ id: string }>(
      `SELECT id FROM upload_session
       WHERE owner_id = $1 AND idempotency_key = $2 AND state IN ('open', 'complete')`,
      [ownerId, idempotencyKey],
    );
    return rows[0]?.id;
  }

  async find(db: Queryable, ownerId: string, id: string): Promise<UploadSession | undefined> {
    if (!isUploadId(id)) return undefined;
    const { rows } = await db.query<Row>(
      `SELECT ${COLUMNS} FROM upload_session s WHERE s.id = $1 AND s.owner_id = $2`,
      [id, ownerId],
    );
    return rows[0] && toSession(rows[0], this.writer);
  }

  /** As `find`, and nobody else changes the session before the transaction ends. */
  async lock(db: Queryable, ownerId: string, id: string): Promise<UploadSession | undefined> {
    if (!isUploadId(id)) return undefined;
    const { rows } = await db.query<Row>(
      `SELECT ${COLUMNS} FROM upload_session s WHERE s.id = $1 AND s.owner_id = $2 FOR UPDATE OF s`,
      [id, ownerId],
    );
    return rows[0] && toSession(rows[0], this.writer);
  }

  /**
   * Moves the offset of an open session from the start of `range` to its end, and puts off the expiry: one statement that
   * also takes the row's lock. Undefined when the session stands elsewhere, or nowhere, or has a writer elsewhere.
   */
  async advance(db: Queryable, ownerId: string, id: string, range: ByteRange): Promise<Advanced | undefined> {
    if (!isUploadId(id)) return undefined;
    return await this.move(db, MOVE, this.values(ownerId, id, range));
  }

  /**
   * Commits that this process is writing the bytes of `range`, of that CRC-32, after all that it wrote before. Until the next
   * chunk, the offset stays where they begin, and they are the tail.
   */
  async announce(ownerId: string, id: string, range: ByteRange, crc: number): Promise<Advanced | undefined> {
    return await this.move(this.db, ANNOUNCE, [...this.values(ownerId, id, range), crc]);
  }

  /**
   * As `advance`, for bytes that this process has written already: a transaction of its own, which those share who come at
   * the same time. Undefined too when somebody else has the row's lock.
   */
  async settle(ownerId: string, id: string, range: ByteRange): Promise<Advanced | undefined> {
    return await this.settlements.add({ ownerId, id, ...range });
  }

  private async settleAll(moves: readonly Move[]): Promise<(Advanced | undefined)[]> {
    const { rows } = await this.db.query<Moved>(SETTLE, [
      moves.map(({ id }) => id),
      moves.map(({ ownerId }) => ownerId),
      moves.map(({ start }) => start),
      moves.map(({ end }) => end + 1),
      moves.map(({ total }) => total),
      ...this.expiry(),
      this.writer,
    ]);
    const moved = new Map(rows.map((row) => [row.id, toAdvanced(row)]));
    return moves.map(({ id }) => moved.get(id));
  }

  private async move(db: Queryable, statement: string, values: unknown[]): Promise<Advanced | undefined> {
    const { rows } = await db.query<Moved>(statement, values);
    return rows[0] && toAdvanced(rows[0]);
  }

  private values(ownerId: string, id: string, { start, end, total }: ByteRange): unknown[] {
    return [id, ownerId, start, end + 1, total, ...this.expiry(), this.writer];
  }

  /** In seconds: from now, from the first chunk, and how near an expiry is that is worth a move. */
  private expiry(): [number, number, number] {
    const { ttlSeconds, maxTtlSeconds } = this.config.uploads;
    return [ttlSeconds, maxTtlSeconds, ttlSeconds - Math.min(EXPIRY_STEP_SECONDS, ttlSeconds / 10)];
  }

  /**
   * From now on any process writes to the upload, under the lock of its row, and to another file: the writer that was may
   * be dead, or only slow and about to write.
   * @param copy all that the session has
   */
  async share(db: Queryable, id: string, { file, size }: Copy): Promise<void> {
    await db.query(
      `UPDATE upload_session SET writer = NULL, file = $2, "offset" = $3, tail_end = NULL, tail_crc = NULL
       WHERE id = $1`,
      [id, file, size],
    );
  }

  /** Takes back what this process announced, as its bytes cannot be trusted. */
  async retract(id: string, { start, end }: ByteRange): Promise<void> {
    await this.db.query(
      `UPDATE upload_session SET tail_end = NULL, tail_crc = NULL
       WHERE id = $1 AND writer = $2 AND "offset" = $3 AND tail_end = $4`,
      [id, this.writer, start, end + 1],
    );
  }

  /** Makes an end of a tail: the upload has `offset` bytes, with it or without. */
  async resolve(db: Queryable, id: string, offset: number): Promise<void> {
    await db.query(
      `UPDATE upload_session SET "offset" = $2, tail_end = NULL, tail_crc = NULL WHERE id = $1`,
      [id, offset],
    );
  }

  /** Notes what the first bytes have told at last. */
  async identify(db: Queryable, id: string, mime: string): Promise<void> {
    await db.query(`UPDATE upload_session SET mime = $2 WHERE id = $1`, [id, mime]);
  }

  /** Ends an open session with its media. If what was uploaded is not the media's file, it stays until it expires. */
  async complete(
    db: Queryable,
    id: string,
    { mediaId, uploadStays }: { mediaId: number; uploadStays: boolean },
  ): Promise<void> {
    await db.query(
      `UPDATE upload_session SET state = 'complete', media_id = $2, cleaned_at = CASE WHEN $3 THEN NULL ELSE now() END
       WHERE id = $1 AND state = 'open'`,
      [id, mediaId, uploadStays],
    );
  }

  /** Ends an open session without a media; its bytes go next. */
  async abandon(
    db: Queryable,
    id: string,
    state: 'cancelled' | 'expired' | 'rejected',
    rejection?: Rejection,
  ): Promise<void> {
    await db.query(`UPDATE upload_session SET state = $2, rejection = $3 WHERE id = $1 AND state = 'open'`, [
      id,
      state,
      rejection ?? null,
    ]);
  }

  /** Removes what was uploaded in a session that is over. Its row says so first, so this can be repeated. */
  async clean(db: Queryable, id: string): Promise<void> {
    const { rows } = await db.query<Pick<Row, 'file'>>(
      `SELECT coalesce(file, id) AS file FROM upload_session WHERE id = $1`,
      [id],
    );
    for (const { file } of rows) await this.store.discard(file);
    await db.query(`UPDATE upload_session SET cleaned_at = now() WHERE id = $1`, [id]);
  }

  /** The owner's open sessions, newest first. */
  async page(db: Queryable, ownerId: string, { limit, offset }: PageRequest): Promise<SessionPage> {
    const open = `FROM upload_session s WHERE s.owner_id = $1 AND s.state = 'open' AND s.expires_at > now()`;
    const { rows } = await db.query<Row>(
      `SELECT ${COLUMNS} ${open} ORDER BY s.created_at DESC, s.id LIMIT $2 OFFSET $3`,
      [ownerId, limit, offset],
    );
    const counted = await db.query<{ count: string }>(`SELECT count(*) AS count ${open}`, [ownerId]);
    return {
      count: Number(only(counted.rows).count),
      sessions: rows.map((row) => toSession(row, this.writer)),
    };
  }
}

/** A session that takes chunks or repeats of them: open or complete. */
export function alive(session: UploadSession | undefined): UploadSession {
  if (!session) throw new UploadNotFound();
  if (session.state === 'expired') throw new UploadExpired();
  if (session.state === 'cancelled') throw new UploadCancelled();
  if (session.state === 'rejected') throw new UploadRejected(session.rejection);
  return session;
}

/** 128 random bits as 32 hex digits. Anything else names no upload, and must not reach Postgres: it may hold a NUL. */
export function isUploadId(id: string): boolean {
  return /^[0-9a-f]{32}$/.test(id);
}

/** Whoever knows the public key of a file must not learn the id of its upload. */
function keyOf(id: string): string {
  return createHash('sha256').update(`mediadock file ${id}`).digest('hex').slice(0, 32);
}

// node-postgres gives bigint as text, since it may pass 2^53. No size here does.
interface Row {
  readonly id: string;
  readonly owner_id: string;
  readonly state: UploadState;
  readonly total: string;
  readonly offset: string;
  readonly tail_end: string | null;
  readonly tail_crc: string | null;
  readonly key: string;
  readonly file: string;
  readonly writer: string | null;
  readonly file_name: string | null;
  readonly mime: string | null;
  readonly rejection: Rejection | null;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly media_id: number | null;
}

/** What a move of the offset gives back. */
type Moved = Pick<Row, 'id' | 'file' | 'expires_at' | 'mime'> & { readonly own: boolean };

function toAdvanced({ file, own, expires_at: expiresAt, mime }: Moved): Advanced {
  return { file, own, expiresAt, mime };
}

function toSession(row: Row, writer: string): UploadSession {
  return {
    id: row.id,
    ownerId: row.owner_id,
    state: row.state,
    total: Number(row.total),
    offset: Number(row.offset),
    tail: row.tail_end === null ? undefined : { end: Number(row.tail_end), crc: Number(row.tail_crc) },
    key: row.key,
    file: row.file,
    foreign: row.writer !== null && row.writer !== writer,
    fileName: row.file_name,
    mime: row.mime,
    rejection: row.rejection,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    mediaId: row.media_id,
  };
}

function only<R>(rows: readonly R[]): R {
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new Error(`Expected one row, got ${rows.length}`);
  return row;
}

/** Another request with the same Idempotency-Key was faster. Told by its shape: test runners make errors of another realm. */
export function isKeyTaken(error: unknown): boolean {
  return (error as { constraint?: unknown } | null)?.constraint === 'upload_session_idempotency_key';
}
