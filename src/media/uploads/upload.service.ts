import { Injectable } from '@nestjs/common';
import { Database, settled, type Queryable } from '../../database/database.js';
import { FileStore } from '../../storage/file-store.js';
import { ContentInspector } from '../content/content-inspector.js';
import type { Chunk, ChunkQuery } from './chunk.js';
import { overlapOf } from './overlap.js';
import {
  alive,
  UploadSessions,
  type PageRequest,
  type SessionPage,
  type UploadSession,
} from './upload-sessions.js';
import {
  ChunkConflict,
  InconsistentLength,
  OffsetMismatch,
  UploadComplete,
  UploadNotFound,
} from './upload.errors.js';

/** Where an upload stands after a chunk. */
export interface Receipt {
  readonly id: string;
  readonly offset: number;
  readonly expiresAt: Date;
  /** The chunk had been stored before; nothing was written. */
  readonly replayed: boolean;
  /** The request brought no chunk, only the question. */
  readonly asked: boolean;
}

/** Takes chunks into sessions. A returned receipt is a promise: its bytes survive a crash and a power cut. */
@Injectable()
export class UploadService {
  constructor(
    private readonly db: Database,
    private readonly sessions: UploadSessions,
    private readonly store: FileStore,
    private readonly content: ContentInspector,
  ) {}

  async receive(ownerId: string, request: Chunk | ChunkQuery): Promise<Receipt> {
    return 'bytes' in request ? await this.append(ownerId, request) : await this.query(ownerId, request);
  }

  /** Appends a chunk to its session, or to a new one. Repeated bytes are compared, not written. */
  async append(ownerId: string, chunk: Chunk): Promise<Receipt> {
    const opening =
      chunk.uploadId === undefined
        ? await this.opening(ownerId, chunk)
        : this.locking(ownerId, chunk.uploadId);
    return await this.db.transaction(opening, (db, session) => this.place(db, alive(session), chunk));
  }

  /** Where an upload of `total` bytes stands. Changes nothing. */
  async query(ownerId: string, { uploadId, total }: ChunkQuery): Promise<Receipt> {
    const session = alive(await this.sessions.find(this.db, ownerId, uploadId));
    if (session.total !== total) throw new InconsistentLength(session.total);
    return { ...session, replayed: false, asked: true };
  }

  /** The session of an upload: open, complete or rejected. */
  async status(ownerId: string, id: string): Promise<UploadSession> {
    const session = await this.sessions.find(this.db, ownerId, id);
    return session?.state === 'rejected' ? session : alive(session);
  }

  async page(ownerId: string, page: PageRequest): Promise<SessionPage> {
    return await this.sessions.page(this.db, ownerId, page);
  }

  /** Ends an upload and removes its bytes. Well if that was done before. */
  async cancel(ownerId: string, id: string): Promise<void> {
    await this.db.transaction(this.locking(ownerId, id), async (db, session) => {
      if (!session) throw new UploadNotFound();
      if (session.state === 'complete') throw new UploadComplete(session.mediaId);
      // One past its time may still be open in its row, until the sweeper comes.
      await this.sessions.abandon(db, id, session.state === 'expired' ? 'expired' : 'cancelled');
    });
    await this.sessions.clean(this.db, id);
  }

  /** Checks what can be checked before there is a session; a first chunk that is refused leaves no trace. */
  private async opening(ownerId: string, { range, bytes, fileName, expires }: Chunk) {
    if (range.start > 0) throw new OffsetMismatch(0, 'restart');
    const type = await this.content.admit({ head: bytes, total: range.total, fileName });
    return (db: Queryable) =>
      this.sessions.create(db, { ownerId, total: range.total, fileName, mime: type?.mime ?? null, expires });
  }

  private locking(ownerId: string, id: string) {
    return (db: Queryable) => this.sessions.lock(db, ownerId, id);
  }

  private async place(db: Queryable, session: UploadSession, { range, bytes }: Chunk): Promise<Receipt> {
    const overlap = overlapOf(session, range);
    if (overlap > 0) await this.compare(session, range.start, bytes.subarray(0, overlap));
    if (overlap === bytes.length) return { ...session, replayed: true, asked: false };
    const offset = range.end + 1;
    // Both are waited for even if one fails: a write that is still under way when the lock is gone could land on the next
    // writer's bytes.
    const [expiresAt] = await settled(
      this.sessions.advance(db, session, offset),
      this.store.write(session.id, session.offset, bytes.subarray(overlap)),
    );
    return { id: session.id, offset, expiresAt, replayed: false, asked: false };
  }

  private async compare(session: UploadSession, start: number, repeated: Buffer): Promise<void> {
    if (await this.store.holds(session, start, repeated)) return;
    throw session.mediaId === null ? new ChunkConflict(session.offset) : new UploadComplete(session.mediaId);
  }
}
