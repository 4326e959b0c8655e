import { Injectable } from '@nestjs/common';
import { Audit, type Caller } from '../../audit/audit.js';
import { BufferPool } from '../../body/buffer-pool.js';
import { Database } from '../../database/database.js';
import { storedBytes } from '../../metrics/metrics.js';
import { settled } from '../../settled.js';
import { FileStore } from '../../storage/file-store.js';
import { ContentInspector, type Head } from '../content/content-inspector.js';
import type { ContentType } from '../content/content-type.js';
import { isRefusal } from '../content/content.errors.js';
import type { Chunk, ChunkQuery } from './chunk.js';
import { DiskSpace } from './disk-space.js';
import { Rates } from './rates.js';
import type { Receipt } from './receipt.js';
import { UploadReader } from './upload-reader.js';
import { UploadWriter } from './upload-writer.js';
import {
  alive,
  isKeyTaken,
  UploadSessions,
  type PageRequest,
  type SessionPage,
  type UploadSession,
} from './upload-sessions.js';
import {
  InconsistentLength,
  isLimit,
  OffsetMismatch,
  UploadComplete,
  UploadNotFound,
} from './upload.errors.js';
import { UserLimits, type Claim } from './user-limits.js';

/** Takes chunks into sessions. A returned receipt is a promise: its bytes survive a crash and a power cut. */
@Injectable()
export class UploadService {
  constructor(
    private readonly db: Database,
    private readonly sessions: UploadSessions,
    private readonly reader: UploadReader,
    private readonly writer: UploadWriter,
    private readonly store: FileStore,
    private readonly content: ContentInspector,
    private readonly disk: DiskSpace,
    private readonly limits: UserLimits,
    private readonly rates: Rates,
    private readonly buffers: BufferPool,
    private readonly audit: Audit,
  ) {}

  /** Answers a request and takes its memory back: the bytes of a chunk are no longer there afterwards. */
  async receive(caller: Caller, request: Chunk | ChunkQuery): Promise<Receipt> {
    if (!('bytes' in request)) return await this.query(caller.id, request);
    const receipt = await this.keep(caller, request);
    if (receipt.replayed) return receipt;
    const { length } = request.bytes;
    storedBytes.inc(length);
    await this.rates.slowDown(caller, length);
    return receipt;
  }

  private async keep(caller: Caller, chunk: Chunk): Promise<Receipt> {
    try {
      this.rates.admit(caller);
      return await this.append(caller, chunk);
    } catch (error) {
      if (isLimit(error))
        this.audit.record('upload.limited', caller, { upload: chunk.uploadId, reason: error.code });
      throw error;
    } finally {
      this.buffers.giveBack(chunk.bytes);
    }
  }

  /** Appends a chunk to its session, or to a new one. Repeated bytes are compared, not written. */
  async append(caller: Caller, chunk: Chunk): Promise<Receipt> {
    const uploadId = chunk.uploadId ?? (await this.openedBefore(caller.id, chunk));
    if (uploadId !== undefined) return await this.writer.append(caller, { ...chunk, uploadId });
    try {
      return await this.open(caller, chunk);
    } catch (error) {
      if (!isKeyTaken(error)) throw error;
      return await this.append(caller, chunk);
    }
  }

  /** Where an upload of `total` bytes stands. Changes nothing. */
  async query(ownerId: string, { uploadId, total }: ChunkQuery): Promise<Receipt> {
    const session = alive(await this.reader.find(ownerId, uploadId));
    if (session.total !== total) throw new InconsistentLength(session.total);
    return { ...session, replayed: false, asked: true };
  }

  /** The session of an upload: open, complete or rejected. */
  async status(ownerId: string, id: string): Promise<UploadSession> {
    const session = await this.reader.find(ownerId, id);
    return session?.state === 'rejected' ? session : alive(session);
  }

  async page(ownerId: string, page: PageRequest): Promise<SessionPage> {
    return await this.reader.page(ownerId, page);
  }

  /** Ends an upload and removes its bytes. Well if that was done before. */
  async cancel(caller: Caller, id: string): Promise<void> {
    const state = await this.db.transaction(
      (db) => this.sessions.lock(db, caller.id, id),
      async (db, session) => {
        if (!session) throw new UploadNotFound();
        if (session.state === 'complete') throw new UploadComplete(session.mediaId);
        // One past its time may still be open in its row, until the sweeper comes.
        await this.sessions.abandon(db, id, session.state === 'expired' ? 'expired' : 'cancelled');
        return session.state;
      },
    );
    if (state === 'open') this.audit.record('upload.cancelled', caller, { upload: id });
    await this.sessions.clean(this.db, id);
  }

  /** The upload that a request with the same Idempotency-Key has opened, whose answer the client may never have seen. */
  private async openedBefore(ownerId: string, { idempotencyKey }: Chunk): Promise<string | undefined> {
    return idempotencyKey === undefined
      ? undefined
      : await this.sessions.idByKey(this.db, ownerId, idempotencyKey);
  }

  /** What can be checked before there is a session is; a first chunk that is refused leaves no trace. */
  private async open(caller: Caller, chunk: Chunk): Promise<Receipt> {
    const { range, bytes, fileName, declared, expires, idempotencyKey } = chunk;
    if (range.start > 0) throw new OffsetMismatch(0, 'restart');
    const { total } = range;
    const { id: ownerId } = caller;
    const type = await this.admit(caller, { bytes, total, fileName, declared });
    const session = {
      ownerId,
      total,
      offset: bytes.length,
      fileName,
      mime: type?.mime ?? null,
      expires,
      idempotencyKey,
    };
    const room = await this.disk.room();
    const claim = await this.claim(caller, total);
    try {
      room.claim(total);
      const created = await this.db.transaction(
        (db) => settled(this.sessions.create(db, session), this.limits.redeem(db, claim)),
        async (_, [created]) => {
          await this.store.write(created.file, 0, bytes);
          // Before COMMIT, when nobody knows the id: later, another chunk might have moved the upload on.
          this.writer.keepLease(ownerId, created.id, range, { ...created, own: true });
          return { ...created, replayed: false, asked: false };
        },
      );
      this.audit.record('upload.created', caller, { upload: created.id, bytes: total });
      return created;
    } catch (error) {
      await this.limits.release(claim);
      await this.rates.forgive(caller);
      throw error;
    }
  }

  private async claim(caller: Caller, total: number): Promise<Claim> {
    await this.rates.open(caller);
    try {
      return await this.limits.claim(caller.id, total);
    } catch (error) {
      await this.rates.forgive(caller);
      throw error;
    }
  }

  private async admit(caller: Caller, head: Head): Promise<ContentType | undefined> {
    try {
      return await this.content.admit(head);
    } catch (error) {
      if (isRefusal(error)) this.audit.record('upload.rejected', caller, { reason: error.code });
      throw error;
    }
  }
}
