import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Raw, type Repository } from 'typeorm';
import { Batcher } from '../../../concurrency/batcher.js';
import { Config } from '../../../config/config.js';
import { Database } from '../../../database/database.js';
import { Turns } from '../../../database/turns.js';
import { BlobStorage } from '../../../storage/blob-storage.js';
import { deadlineAfter } from '../../deadline.js';
import type { PageQueryDto } from '../../page.dto.js';
import type { ByteRange } from '../chunks/content-range.js';
import { chunksTooSmall } from '../upload.errors.js';
import { commitStatement, extendedExpiry, FIND, FIND_BY_KEY } from './statements.js';
import { isUploadId, type PartStart, UploadPart, UploadSession } from './upload-session.entity.js';

export interface SessionPage {
  /** Number of sessions on all pages. */
  readonly count: number;
  readonly sessions: readonly UploadSession[];
}

/** A session as it was at `now`, by the clock of Postgres, and the name of its finished file. */
export type FoundSession = UploadSession & { readonly now: Date; readonly key: string | null };

/** An upload after the last append of this process, which made `part`. A cache: losing it costs a query and a new part. */
export interface Position
  extends Pick<UploadSession, 'id' | 'ownerId' | 'total' | 'offset' | 'mime'>, Committed {
  readonly part: PartStart;
}

/** What Postgres answers to a chunk that counts. */
export interface Committed {
  readonly expiresAt: Date;
  readonly now: Date;
}

/** A part, and which bytes of the upload it has. */
interface Extent extends PartStart {
  readonly end: number;
}

/** What the compare-and-set of a new part checks. */
type Standing = Pick<FoundSession, 'id' | 'ownerId' | 'total' | 'part' | 'now'>;

/** Bytes to append, which start where the upload stands. */
export interface Addition {
  readonly range: ByteRange;
  readonly bytes: Buffer;
  /** Media type of the upload; null while its bytes do not tell. */
  readonly mime: string | null;
}

/** Each part costs a row and a file, so an upload in smaller chunks than this may not have a part for each. */
const SMALL_BYTES = 4096;
const SPARE_PARTS = 1000;

/** Rows and parts of uploads: tells where they stand, reads their bytes, appends to them. */
@Injectable()
export class UploadStore {
  protected readonly expiry: string;
  private readonly statement: string;
  private readonly waitingStatement: string;
  /** Chunks that are written while a statement is under way share the next one: one round trip and one sync for many. */
  private readonly commits = new Batcher((rows: readonly unknown[][]) => this.commit(this.statement, rows));

  constructor(
    @InjectRepository(UploadSession) private readonly sessions: Repository<UploadSession>,
    @InjectRepository(UploadPart) private readonly parts: Repository<UploadPart>,
    protected readonly config: Config,
    protected readonly db: Database,
    protected readonly storage: BlobStorage,
    private readonly turns: Turns,
  ) {
    this.expiry = extendedExpiry(config.uploads);
    this.statement = commitStatement(this.expiry, 'FOR UPDATE SKIP LOCKED');
    this.waitingStatement = commitStatement(this.expiry, 'FOR UPDATE');
  }

  async find(ownerId: string, id: string): Promise<FoundSession | undefined> {
    if (!isUploadId(id)) return undefined;
    return (await this.db.query<FoundSession>(FIND, [id, ownerId])).rows[0];
  }

  /** Returns the time and the id of the upload that was opened with this key and has not ended without a media. */
  async findByKey(ownerId: string, key: string | undefined): Promise<{ now: Date; id: string | null }> {
    const { rows } = await this.db.query<{ now: Date; id: string | null }>(FIND_BY_KEY, [ownerId, key]);
    return rows[0] as { now: Date; id: string | null };
  }

  /** Returns the owner's open sessions, newest first. */
  async page(ownerId: string, { limit, offset }: PageQueryDto): Promise<SessionPage> {
    return await this.turns.run(ownerId, async () => {
      const [open, count] = await this.sessions.findAndCount({
        where: { ownerId, state: 'open', expiresAt: Raw((column) => `${column} > now()`) },
        order: { createdAt: 'DESC', id: 'ASC' },
        take: limit,
        skip: offset,
      });
      const sessions: UploadSession[] = [];
      for (const each of open) {
        const session = each.part === null ? await this.find(ownerId, each.id) : each;
        if (session) sessions.push(session);
      }
      return { count, sessions };
    });
  }

  /**
   * Returns the parts with the bytes that count: from `start` up to, and without, `end`. None once they are removed.
   * @param from, to only those that have some of these bytes; the last one may end earlier than it says
   */
  async extentsOf({ id, offset }: UploadSession, from = 0, to = offset): Promise<Extent[]> {
    const { rows } = await this.db.query<Extent>(
      `SELECT name, start::float8 AS start, coalesce(lead(start) OVER (ORDER BY start), $2)::float8 AS "end"
       FROM upload_part WHERE upload_id = $1 AND start < $4
         AND start >= (SELECT max(start) FROM upload_part WHERE upload_id = $1 AND start <= $3)
       ORDER BY start`,
      [id, offset, from, to],
    );
    return rows;
  }

  /** Reads uploaded bytes below the offset; undefined if the upload has ended since and they are no longer there. */
  async read(session: FoundSession, start: number, length: number): Promise<Buffer | undefined> {
    const extents = await this.extentsOf(session, start, start + length);
    // If the upload became the finished file as it was, its parts are gone.
    if (session.key !== null && extents.length === 0)
      return await this.storage.read('files', session.key, start, length);
    const pieces: Buffer[] = [];
    for (const part of extents) {
      const first = Math.max(start, part.start);
      const last = Math.min(start + length, part.end);
      if (first >= last) continue;
      const piece = await this.storage.read('uploads', part.name, first - part.start, last - first);
      if (piece?.length !== last - first) return undefined;
      pieces.push(piece);
    }
    const bytes = Buffer.concat(pieces);
    return bytes.length === length ? bytes : undefined;
  }

  /**
   * Continues a part of this process, or begins a new one where none can be continued. Undefined if the row has moved on, or
   * is locked.
   */
  async append(position: Position, addition: Addition): Promise<Position | undefined> {
    const standing = { ...position, part: position.part.name };
    if (!(await this.appendBytes(position, addition))) return await this.begin(standing, addition, false);
    const committed = await this.commits.add(rowOf(standing, addition, standing.part, null));
    return committed && positionAfter(position, addition, committed);
  }

  /**
   * Begins a new part. Undefined if the row has moved on, or is locked; then the part is removed. If this throws, the outcome
   * may be unknown: the part is left alone.
   * @param waitForLock whether to wait for a row that another transaction has locked
   * @throws chunksTooSmall
   */
  async begin(session: Standing, addition: Addition, waitForLock: boolean): Promise<Position | undefined> {
    if (addition.bytes.length < SMALL_BYTES) await this.assertFewParts(session);
    const name = await this.storage.createPart(session.id, addition.bytes);
    const row = rowOf(session, addition, name, this.deadline(session.now));
    const [committed] = waitForLock
      ? await this.commit(this.waitingStatement, [row])
      : [await this.commits.add(row)];
    if (committed)
      return positionAfter({ ...session, part: { start: addition.range.start, name } }, addition, committed);
    await this.storage.remove('uploads', name);
    return undefined;
  }

  private async assertFewParts({ id, total }: Standing): Promise<void> {
    const parts = await this.parts.countBy({ uploadId: id });
    if (parts > SPARE_PARTS + total / SMALL_BYTES) throw chunksTooSmall(SMALL_BYTES);
  }

  /** For a part that is begun next. @param now what Postgres answered before that */
  protected deadline(now: Date): Date {
    return deadlineAfter(now);
  }

  protected async appendBytes({ part }: Position, { range, bytes }: Addition): Promise<boolean> {
    return await this.storage.appendPart(part.name, range.start - part.start, bytes);
  }

  /** Returns undefined for each chunk whose compare-and-set matched no row. */
  private async commit(statement: string, chunks: readonly unknown[][]): Promise<(Committed | undefined)[]> {
    const columns = (chunks[0] ?? []).map((_, i) => chunks.map((chunk) => chunk[i]));
    const { rows } = await this.db.query<Committed & { id: unknown }>(statement, columns);
    const committed = new Map(rows.map((row) => [row.id, row]));
    return chunks.map(([id]) => committed.get(id));
  }
}

/** A row for `commitStatement`. @param name of the part that has the bytes */
const rowOf = (
  { id, ownerId, part }: Standing,
  { range: { start, end, total }, mime }: Addition,
  name: string,
  deadline: Date | null,
): unknown[] => [id, ownerId, total, start, end + 1, part, name, deadline, mime];

export function positionAfter(
  { id, ownerId, total, part }: Pick<Position, 'id' | 'ownerId' | 'total' | 'part'>,
  { range, mime }: Addition,
  { expiresAt, now }: Committed,
): Position {
  return { id, ownerId, total, part, offset: range.end + 1, mime, expiresAt, now };
}
