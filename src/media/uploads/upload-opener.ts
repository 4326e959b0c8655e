import { Injectable } from '@nestjs/common';
import { Audit, type Caller } from '../../audit/audit.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import { ContentInspector } from '../content/content-inspector.js';
import { isRefusal } from '../content/content.errors.js';
import type { Chunk } from './chunks/chunk-request.js';
import type { Receipt } from './chunks/receipt.js';
import { FreeSpace } from './limits/free-space.js';
import { UploadRateLimiter } from './limits/upload-rate-limiter.js';
import { newUploadId } from './sessions/upload-id.js';
import { UploadSessions } from './sessions/upload-sessions.js';
import { deadlineAfter } from './sessions/upload-store.js';
import { offsetMismatch } from './upload.errors.js';
import { UploadWriter } from './upload-writer.js';

/** Opens uploads. A first chunk that is refused leaves nothing behind. */
@Injectable()
export class UploadOpener {
  constructor(
    private readonly storage: BlobStorage,
    private readonly sessions: UploadSessions,
    private readonly writer: UploadWriter,
    private readonly content: ContentInspector,
    private readonly rates: UploadRateLimiter,
    private readonly space: FreeSpace,
    private readonly audit: Audit,
  ) {}

  /**
   * Opens an upload with its first chunk. Undefined if another request with the same Idempotency-Key was faster, or the part
   * too old to be committed.
   * @param now what Postgres answered last
   */
  async open(caller: Caller, chunk: Chunk, now: Date): Promise<Receipt | undefined> {
    const { start, total } = chunk.range;
    if (start > 0) throw offsetMismatch(0, 'restart');
    const mime = await this.admit(caller, chunk);
    await this.rates.consumeUpload(caller);
    let receipt: Receipt | undefined;
    try {
      await this.space.reserve(total);
      receipt = await this.insert(caller, chunk, mime, deadlineAfter(now));
      return receipt;
    } finally {
      if (!receipt) await this.rates.refundUpload(caller);
    }
  }

  /** Returns the media type that the first bytes tell. @throws UnsupportedContent, UploadTooLarge */
  private async admit(caller: Caller, { range, ...head }: Chunk): Promise<string | null> {
    try {
      return (await this.content.admit({ ...head, total: range.total }))?.mime ?? null;
    } catch (error) {
      if (isRefusal(error)) this.audit.record('upload.rejected', caller, { reason: error.code });
      throw error;
    }
  }

  /** Writes the part, then inserts the rows that make it count. */
  private async insert(
    caller: Caller,
    chunk: Chunk,
    mime: string | null,
    deadline: Date,
  ): Promise<Receipt | undefined> {
    const { id: ownerId } = caller;
    const { total } = chunk.range;
    const offset = chunk.bytes.length;
    const id = newUploadId();
    const part = await this.storage.createPart(id, chunk.bytes);
    const expiresAt = await this.sessions.open(chunk, { id, ownerId, part, deadline, mime });
    if (!expiresAt) return undefined;
    const identified = !this.content.mayTellMore({ mime, offset });
    const position = { ownerId, total, offset, part: { start: 0, name: part }, expiresAt, identified };
    this.writer.keepPosition(id, position);
    this.audit.record('upload.created', caller, { upload: id, bytes: total });
    return { id, offset, expiresAt, outcome: 'appended' };
  }
}
