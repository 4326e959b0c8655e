import { Injectable } from '@nestjs/common';
import { Audit, type Caller } from '../../audit/audit.js';
import { BufferPool } from '../../body/buffer-pool.js';
import { Shares } from '../../concurrency/shares.js';
import { Config } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { TooManyRequests } from '../../errors/too-many-requests.js';
import { storedBytes } from '../../metrics/metrics.js';
import { ContentInspector } from '../content/content-inspector.js';
import { isRefusal } from '../content/content.errors.js';
import type { Chunk, ChunkQuery, Receipt } from './chunks/chunk-request.js';
import { FreeSpace, type Reservation } from './limits/free-space.js';
import { UploadRateLimiter } from './limits/upload-rate-limiter.js';
import { newUploadId, type UploadSession } from './sessions/upload-session.entity.js';
import { alive, UploadSessions } from './sessions/upload-sessions.js';
import { UploadStore } from './sessions/upload-store.js';
import {
  inconsistentLength,
  isLimit,
  offsetMismatch,
  uploadComplete,
  uploadNotFound,
} from './upload.errors.js';
import { UploadWriter } from './upload-writer.js';

/** Of two requests with the same Idempotency-Key, the later one finds the upload of the other in its second round. */
const MAX_ROUNDS = 3;

/** Takes chunks into uploads. A returned receipt is a promise: its bytes survive a crash and a power cut. */
@Injectable()
export class UploadService {
  /** One user gets at most half of the memory for chunks: those of one upload wait for each other. */
  private readonly shares: Shares;

  constructor(
    private readonly db: Database,
    private readonly store: UploadStore,
    private readonly sessions: UploadSessions,
    private readonly writer: UploadWriter,
    private readonly content: ContentInspector,
    private readonly space: FreeSpace,
    private readonly rates: UploadRateLimiter,
    private readonly buffers: BufferPool,
    private readonly audit: Audit,
    { uploads }: Config,
  ) {
    this.shares = new Shares(Math.ceil(uploads.maxInMemory / 2), () => new TooManyRequests());
  }

  /** Answers a request, later if its user sends faster than the limit. */
  async receive(caller: Caller, request: Chunk | ChunkQuery): Promise<Receipt> {
    if (!('bytes' in request)) return await this.query(caller.id, request);
    const receipt = await this.take(caller, request);
    if (receipt.outcome !== 'replayed') await this.rates.throttle(caller, request.bytes.length);
    return receipt;
  }

  /** Stores a chunk and takes back its memory: its bytes are gone afterwards. */
  async take(caller: Caller, chunk: Chunk): Promise<Receipt> {
    try {
      this.rates.assertByteRate(caller);
      const receipt = await this.shares.run(caller.id, () => this.append(caller, chunk));
      if (receipt.outcome !== 'replayed') storedBytes.inc(chunk.bytes.length);
      return receipt;
    } catch (error) {
      if (isLimit(error) || isRefusal(error))
        this.audit.record(isLimit(error) ? 'upload.limited' : 'upload.rejected', caller, {
          ...{ upload: chunk.uploadId, reason: error.code },
        });
      throw error;
    } finally {
      this.buffers.giveBack(chunk.bytes);
    }
  }

  /** Returns where an upload of `total` bytes stands. Changes nothing. */
  async query(ownerId: string, { uploadId, total }: ChunkQuery): Promise<Receipt> {
    const { id, offset, expiresAt, ...session } = alive(await this.store.find(ownerId, uploadId));
    if (session.total !== total) throw inconsistentLength(session.total);
    return { id, offset, expiresAt, outcome: 'queried' };
  }

  /** Returns the session of an upload that is open, complete or rejected. */
  async status(ownerId: string, id: string): Promise<UploadSession> {
    const session = await this.store.find(ownerId, id);
    return session?.state === 'rejected' ? session : alive(session);
  }

  /** Ends an upload and removes its bytes. Succeeds if that was done before. */
  async cancel(caller: Caller, id: string): Promise<void> {
    const state = await this.db.withTransaction(async (db) => {
      const session = await this.sessions.lock(db, caller.id, id);
      if (!session) throw uploadNotFound();
      if (session.state === 'complete') throw uploadComplete(session.mediaId);
      // One past its time may still be open in its row, until the sweeper comes.
      await this.sessions.abandon(db, id, session.state === 'expired' ? 'expired' : 'cancelled');
      return session.state;
    });
    if (state === 'open') this.audit.record('upload.cancelled', caller, { upload: id });
    await this.sessions.clean(id);
  }

  private async append(caller: Caller, chunk: Chunk): Promise<Receipt> {
    if (chunk.uploadId !== undefined) return await this.writer.append(caller, chunk.uploadId, chunk);
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      // A request with the same Idempotency-Key may have opened the upload, and its answer never came.
      const { now, id } = await this.store.findByKey(caller.id, chunk.idempotencyKey);
      if (id !== null) return await this.writer.append(caller, id, chunk);
      const receipt = await this.open(caller, chunk, now);
      if (receipt) return receipt;
    }
    throw new ServiceUnavailable();
  }

  /**
   * Opens an upload with its first chunk; one that is refused leaves nothing behind. Undefined if another request with the same
   * Idempotency-Key was faster, or the part too old to be committed.
   * @param now what Postgres answered last
   */
  private async open(caller: Caller, chunk: Chunk, now: Date): Promise<Receipt | undefined> {
    const { start, total } = chunk.range;
    if (start > 0) throw offsetMismatch(0, 'restart');
    const type = await this.content.admit({ ...chunk, total });
    const id = newUploadId();
    await this.rates.consumeUpload(caller);
    let room: Reservation | undefined;
    let receipt: Receipt | undefined;
    try {
      const { share } = (room = await this.space.reserve(total));
      const first = { ...chunk, id, ownerId: caller.id, mime: type?.mime ?? null };
      receipt = await this.writer.write(id, () => this.sessions.open(first, share, now));
    } finally {
      if (!receipt) {
        room?.giveBack();
        await this.rates.refundUpload(caller);
      }
    }
    if (receipt) this.audit.record('upload.created', caller, { upload: id, bytes: total });
    return receipt;
  }
}
