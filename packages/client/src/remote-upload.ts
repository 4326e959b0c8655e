import type { ChunkMediaDto } from './api-types.js';
import { findElsewhere } from './elsewhere.js';
import { hexOf } from './md5.js';
import type { TransferParts } from './transfer.js';
import { badAnswer, UploadError } from './upload-error.js';

/** The upload on the server that belongs to a file: its id and its offset. */
export class RemoteUpload {
  /** Undefined until the server has assigned it. */
  id: string | undefined;
  /** Undefined if the server has to be asked. */
  offset: number | undefined;
  idempotencyKey = randomKey();
  private sought = false;
  private savedExpiry: string | undefined;

  constructor(private readonly parts: TransferParts) {}

  /** The offset from which to continue after an earlier run, process or device, or else 0. */
  async locate(chunkBytes: number, signal: AbortSignal): Promise<number> {
    if (!this.sought) await this.seek(chunkBytes, signal);
    this.offset ??= this.id === undefined ? 0 : await this.ask(this.id, signal);
    this.parts.moved(this.offset);
    return this.offset;
  }

  async accept(receipt: ChunkMediaDto, start: number): Promise<number> {
    const offset = Number(receipt.offset);
    if (!receipt.upload_id || !(offset > start && offset <= this.parts.source.size)) throw badAnswer();
    await this.note(receipt);
    this.offset = offset;
    return offset;
  }

  /** Prepares for a new upload instead. */
  async replace(): Promise<void> {
    this.id = this.savedExpiry = undefined;
    this.offset = 0;
    this.idempotencyKey = randomKey();
    await this.parts.bookmark.remove();
  }

  private async seek(chunkBytes: number, signal: AbortSignal): Promise<void> {
    const { bookmark, options, isAlone } = this.parts;
    const { resume = 'here' } = options;
    const stored = resume === 'never' ? undefined : await bookmark.find();
    this.idempotencyKey = stored?.idempotencyKey ?? this.idempotencyKey;
    this.id = stored?.uploadId;
    if (this.id === undefined && resume === 'anywhere' && isAlone) {
      const found = await findElsewhere(this.parts, chunkBytes, signal);
      if (found) await this.note(found);
    }
    this.sought = true;
  }

  private async ask(uploadId: string, signal: AbortSignal): Promise<number> {
    const { state, offset, total, rejection } = await this.parts.api.session(uploadId, signal);
    if (state === 'rejected') {
      const { code = 'upload-rejected', detail = 'The content was refused' } = rejection ?? {};
      throw new UploadError(code, detail, { action: 'give-up', problem: { code, detail } });
    }
    if (Number(total) !== this.parts.source.size) {
      throw new UploadError('inconsistent-upload-length', 'The file has changed', { action: 'restart' });
    }
    return Number(offset);
  }

  /** Stores the upload for other processes, and again whenever its expiry changes. */
  private async note(receipt: ChunkMediaDto): Promise<void> {
    this.id = receipt.upload_id;
    if (receipt.expires === this.savedExpiry) return;
    await this.parts.bookmark.save(this.idempotencyKey, receipt);
    this.savedExpiry = receipt.expires;
  }
}

/** 128 random bits. `randomUUID` is missing on pages without TLS. */
function randomKey(): string {
  return hexOf(crypto.getRandomValues(new Uint8Array(16)));
}
