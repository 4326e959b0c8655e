import { Injectable } from '@nestjs/common';
import { Audit, type Caller } from '../../audit/audit.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import { ContentInspector, type Head } from '../content/content-inspector.js';
import type { ContentType } from '../content/content-type.js';
import { isRefusal } from '../content/content.errors.js';
import type { Chunk } from './chunks/chunk-request.js';
import type { Receipt } from './chunks/receipt.js';
import { FreeSpace } from './limits/free-space.js';
import { UploadRateLimiter } from './limits/upload-rate-limiter.js';
import { UserQuota } from './limits/user-quota.js';
import { newUploadId } from './sessions/upload-id.js';
import { UploadSessions, type Opened } from './sessions/upload-sessions.js';
import { UploadStore } from './sessions/upload-store.js';
import { OffsetMismatch } from './upload.errors.js';
import { UploadWriter } from './upload-writer.js';

/** A part is late only where a machine was frozen, or its clock was never read. */
const MAX_ATTEMPTS = 2;

/** Opens uploads. A first chunk that is refused leaves nothing behind. */
@Injectable()
export class UploadOpener {
  constructor(
    private readonly storage: BlobStorage,
    private readonly store: UploadStore,
    private readonly sessions: UploadSessions,
    private readonly writer: UploadWriter,
    private readonly content: ContentInspector,
    private readonly rates: UploadRateLimiter,
    private readonly quota: UserQuota,
    private readonly space: FreeSpace,
    private readonly audit: Audit,
  ) {}

  /** Opens an upload with its first chunk; undefined if another request with the same Idempotency-Key was faster. */
  async open(caller: Caller, chunk: Chunk): Promise<Receipt | undefined> {
    const { range, bytes, fileName, declared } = chunk;
    if (range.start > 0) throw new OffsetMismatch(0, 'restart');
    const { total } = range;
    const type = await this.admit(caller, { bytes, total, fileName, declared });
    await this.rates.consumeUpload(caller);
    try {
      await this.space.reserve(total);
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
        const receipt = await this.insert(caller, chunk, type?.mime ?? null);
        if (receipt !== 'late') return receipt;
      }
      throw new ServiceUnavailable();
    } catch (error) {
      await this.rates.refundUpload(caller);
      throw error;
    }
  }

  /** Writes the part, then inserts the rows that make it count. */
  private async insert(
    caller: Caller,
    chunk: Chunk,
    mime: string | null,
  ): Promise<Receipt | undefined | 'late'> {
    const { id: ownerId } = caller;
    const { range, bytes, fileName, expires, idempotencyKey } = chunk;
    const { total } = range;
    const id = newUploadId();
    const offset = bytes.length;
    const deadline = this.store.deadline.next();
    const part = await this.storage.createPart(id, bytes);
    const named = { id, part, deadline, fileName, mime, expires, idempotencyKey };
    const opened = await this.sessions.open({ ownerId, total, offset, ...named });
    if (opened.kind !== 'opened') return await this.undo(caller, part, opened);
    const { expiresAt } = opened;
    const identified = !this.content.mayTellMore({ mime, offset });
    this.writer.keepPosition(id, {
      ownerId,
      total,
      offset,
      part: { start: 0, name: part },
      expiresAt,
      identified,
    });
    this.audit.record('upload.created', caller, { upload: id, bytes: total });
    return { id, offset, expiresAt, outcome: 'appended' };
  }

  /** The statement was answered and did not take the part. @throws the refusal of a quota */
  private async undo(
    caller: Caller,
    part: string,
    opened: Exclude<Opened, { kind: 'opened' }>,
  ): Promise<undefined | 'late'> {
    await this.storage.remove('uploads', part);
    if (opened.kind === 'refused') throw this.quota.toError(opened.refusal);
    if (opened.kind === 'late') {
      this.store.deadline.observe(opened.now);
      return 'late';
    }
    await this.rates.refundUpload(caller);
    return undefined;
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
