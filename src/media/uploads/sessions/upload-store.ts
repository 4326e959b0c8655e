import { Injectable, type OnModuleInit } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Raw, type Repository } from 'typeorm';
import { Database } from '../../../database/database.js';
import { BlobStorage } from '../../../storage/blob-storage.js';
import type { ByteRange } from '../chunks/content-range.js';
import { ChunkCommits } from './chunk-commits.js';
import { CommitDeadline } from './commit-deadline.js';
import type { Position } from './position.js';
import { isUploadId } from './upload-id.js';
import { UploadSession } from './upload-session.entity.js';

export interface PageRequest {
  readonly limit: number;
  readonly offset: number;
}

export interface SessionPage {
  /** Number of sessions on all pages. */
  readonly count: number;
  readonly sessions: readonly UploadSession[];
}

/** Bytes to append, which start where the upload stands. */
export interface Appendix {
  readonly range: ByteRange;
  readonly bytes: Buffer;
  /** Media type, if these bytes have told it. */
  readonly mime: string | null;
  /** Whether the content is known with these bytes. */
  readonly identified: boolean;
}

// A session past its time is reported as expired: it ends by the clock of Postgres, not when the sweeper comes round.
const FIND = `
  SELECT id, owner_id AS "ownerId", total::float8 AS total, "offset"::float8 AS "offset", part, key,
    file_name AS "fileName", mime, rejection, created_at AS "createdAt", expires_at AS "expiresAt",
    idempotency_key AS "idempotencyKey", media_id AS "mediaId",
    CASE WHEN state = 'open' AND expires_at <= now() THEN 'expired' ELSE state END AS state,
    (SELECT coalesce(json_agg(json_build_object('start', start, 'name', name) ORDER BY start), '[]')
     FROM upload_part WHERE upload_id = id) AS parts,
    now() AS now
  FROM upload_session WHERE id = $1 AND owner_id = $2`;

/** Rows and parts of uploads: tells where they stand, reads their bytes, appends to them. */
@Injectable()
export class UploadStore implements OnModuleInit {
  constructor(
    @InjectRepository(UploadSession) private readonly sessions: Repository<UploadSession>,
    protected readonly db: Database,
    protected readonly storage: BlobStorage,
    private readonly commits: ChunkCommits,
    protected readonly deadline: CommitDeadline,
  ) {}

  async onModuleInit(): Promise<void> {
    const { rows } = await this.db.query<{ now: Date }>('SELECT now() AS now');
    if (rows[0]) this.deadline.observe(rows[0].now);
  }

  async find(ownerId: string, id: string): Promise<UploadSession | undefined> {
    if (!isUploadId(id)) return undefined;
    const { rows } = await this.db.query<UploadSession & { now: Date }>(FIND, [id, ownerId]);
    const [session] = rows;
    if (session) this.deadline.observe(session.now);
    return session;
  }

  /** Returns the owner's open sessions, newest first. */
  async page(ownerId: string, { limit, offset }: PageRequest): Promise<SessionPage> {
    const [sessions, count] = await this.sessions.findAndCount({
      where: { ownerId, state: 'open', expiresAt: Raw((column) => `${column} > now()`) },
      order: { createdAt: 'DESC', id: 'ASC' },
      take: limit,
      skip: offset,
    });
    return { count, sessions };
  }

  /** Returns the id of the upload that was opened with this key and has not ended without a media. */
  async idByKey(ownerId: string, idempotencyKey: string | undefined): Promise<string | undefined> {
    if (idempotencyKey === undefined) return undefined;
    const session = await this.sessions.findOne({
      select: { id: true },
      where: { ownerId, idempotencyKey, state: In(['open', 'complete']) },
    });
    return session?.id;
  }

  /**
   * Reads uploaded bytes below the offset of a session; undefined if they are no longer where it says, since the upload has
   * ended meanwhile.
   */
  async read(session: UploadSession, start: number, length: number): Promise<Buffer | undefined> {
    const { mediaId, parts, key } = session;
    // If the upload became the finished file as it was, its parts are gone.
    if (mediaId !== null && parts.length === 0) return await this.storage.read('files', key, start, length);
    const pieces: Buffer[] = [];
    for (const part of extentsOf(session)) {
      const first = Math.max(start, part.start);
      const last = Math.min(start + length, part.end);
      if (first >= last) continue;
      const piece = await this.storage.read('uploads', part.name, first - part.start, last - first);
      if (piece?.length !== last - first) return undefined;
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }

  /** Continues a part of this process. Undefined if the upload does not, or no longer, end with it. */
  async append(uploadId: string, position: Position, appendix: Appendix): Promise<Position | undefined> {
    const { ownerId, part } = position;
    if (!(await this.appendBytes(position, appendix))) return undefined;
    const { range, mime } = appendix;
    const names = { lastPart: part.name, part: part.name, deadline: null };
    const expiresAt = await this.commits.commit({ uploadId, ownerId, range, mime, ...names });
    return expiresAt && moved(position, appendix, expiresAt);
  }

  /**
   * Begins a new part. Undefined if the session has changed, and the part is thrown away.
   * @param patient whether to wait for a row that is locked
   */
  async begin(session: UploadSession, appendix: Appendix, patient: boolean): Promise<Position | undefined> {
    const { id: uploadId, ownerId, total } = session;
    const { range, bytes, mime } = appendix;
    const deadline = this.deadline.next();
    const part = await this.storage.createPart(uploadId, bytes);
    const chunk = { uploadId, ownerId, range, mime, lastPart: session.part, part, deadline };
    const expiresAt = await (patient ? this.commits.commitPatiently(chunk) : this.commits.commit(chunk));
    if (expiresAt)
      return moved({ ownerId, total, part: { start: range.start, name: part } }, appendix, expiresAt);
    await this.storage.remove('uploads', part);
    return undefined;
  }

  protected async appendBytes({ part }: Position, { range, bytes }: Appendix): Promise<boolean> {
    return await this.storage.appendPart(part.name, range.start - part.start, bytes);
  }
}

/** The position after an append. */
export function moved(
  { ownerId, total, part }: Pick<Position, 'ownerId' | 'total' | 'part'>,
  { range, identified }: Appendix,
  expiresAt: Date,
): Position {
  return { ownerId, total, part, offset: range.end + 1, expiresAt, identified };
}

/** The parts of a session with the bytes that count: from `start` up to, and without, `end`. */
export function extentsOf({ parts, offset }: UploadSession) {
  return parts.map(({ name, start }, i) => ({ name, start, end: parts[i + 1]?.start ?? offset }));
}
