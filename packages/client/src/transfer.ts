import type { Api } from './api.js';
import type { ChunkMediaDto, MediaDto } from './api-types.js';
import { Backoff, PATIENT, pause } from './backoff.js';
import type { Bookmark } from './bookmark.js';
import type { Checksum } from './checksum.js';
import { findElsewhere } from './elsewhere.js';
import type { Source } from './platform.js';
import { badAnswer, fileChanged, LocalError, toUploadError, UploadError } from './upload-error.js';
import type { UploadOptions } from './upload-options.js';

const DEFAULT_CHUNK_BYTES = 204_800;
const MAX_RESTARTS = 3;
// Somebody is waiting, and what is not cancelled expires.
const CANCEL_RETRIES = 3;

export interface TransferParts {
  readonly source: Source;
  readonly checksum: Checksum;
  readonly api: Api;
  readonly bookmark: Bookmark;
  readonly options: UploadOptions;
  /** So many bytes are on the server's disk. */
  readonly moved: (offset: number) => void;
  /** A request failed and will be sent again. */
  readonly retrying: (error: UploadError, delayMs: number) => void;
}

/**
 * One file on its way to the server. A run can be stopped at any point and another one goes on. Where the upload stands is
 * what the server says: after a lost answer it is asked.
 */
export class Transfer {
  uploadId: string | undefined;
  /** The request that opens the upload, while it is under way. */
  opening: Promise<unknown> | undefined;
  /** Undefined when the server has to be asked. */
  private offset: number | undefined;
  private idempotencyKey = randomKey();
  private sought = false;
  private savedExpiry: string | undefined;
  private restarts = 0;
  private chunkBytes: number;
  private readonly backoff: Backoff;

  constructor(private readonly parts: TransferParts) {
    const { chunkBytes = DEFAULT_CHUNK_BYTES, retry } = parts.options;
    this.chunkBytes = chunkBytes;
    this.backoff = new Backoff({ ...PATIENT, ...retry });
  }

  async run(signal: AbortSignal): Promise<MediaDto> {
    const { size } = this.parts.source;
    if (size === 0) throw new LocalError('empty-file', 'The file is empty');
    this.offset = undefined;
    this.backoff.reset();
    for (;;) {
      try {
        let offset = await this.locate(signal);
        while (offset < size) offset = await this.sendNext(offset, signal);
        return await this.finish(signal);
      } catch (error) {
        signal.throwIfAborted();
        await this.recover(toUploadError(error), signal);
      }
    }
  }

  /** Takes the upload from the server, unless it is complete or gone. */
  async cancel(): Promise<void> {
    await this.parts.bookmark.remove();
    if (this.uploadId === undefined) return;
    const { signal } = new AbortController();
    const backoff = new Backoff({ ...PATIENT, ...this.parts.options.retry, limit: CANCEL_RETRIES });
    for (;;) {
      try {
        return await this.parts.api.cancel(this.uploadId, signal);
      } catch (error) {
        const { code, action, retryAfterMs } = toUploadError(error);
        if (code === 'upload-complete' || code === 'upload-not-found') return;
        const delayMs = backoff.next(retryAfterMs);
        if (delayMs === undefined || !['wait', 'resume-from-offset'].includes(action)) throw error;
        await pause(delayMs, signal);
      }
    }
  }

  private async locate(signal: AbortSignal): Promise<number> {
    if (!this.sought) await this.seek(signal);
    this.offset ??= this.uploadId === undefined ? 0 : await this.ask(this.uploadId, signal);
    this.parts.moved(this.offset);
    return this.offset;
  }

  private async seek(signal: AbortSignal): Promise<void> {
    const { resume = 'here' } = this.parts.options;
    const stored = resume === 'never' ? undefined : await this.parts.bookmark.find();
    this.idempotencyKey = stored?.idempotencyKey ?? this.idempotencyKey;
    this.uploadId = stored?.uploadId;
    if (this.uploadId === undefined && resume === 'anywhere') {
      const found = await findElsewhere(this.parts, this.chunkBytes, signal);
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

  private async sendNext(start: number, signal: AbortSignal): Promise<number> {
    const { source, checksum, api, options } = this.parts;
    const end = Math.min(start + this.chunkBytes, source.size);
    await checksum.reach(start);
    const bytes = await source.read(start, end);
    if (bytes.length !== end - start) throw fileChanged();
    signal.throwIfAborted();
    if (this.uploadId === undefined) await this.parts.bookmark.save(this.idempotencyKey);
    const sending = api.chunk(
      {
        uploadId: this.uploadId,
        idempotencyKey: this.idempotencyKey,
        start,
        total: source.size,
        bytes,
        name: options.name ?? source.name,
        expires: options.expires,
      },
      signal,
    );
    const stored = sending.then(async (receipt) => await this.accept(receipt, start));
    if (this.uploadId === undefined) this.opening = stored;
    const [offset] = await Promise.all([stored, checksum.add(start, bytes)]);
    return offset;
  }

  private async accept(receipt: ChunkMediaDto, start: number): Promise<number> {
    const offset = Number(receipt.offset);
    if (!receipt.upload_id || !(offset > start && offset <= this.parts.source.size)) throw badAnswer();
    await this.note(receipt);
    this.offset = offset;
    this.backoff.reset();
    this.parts.moved(offset);
    return offset;
  }

  /** Remembers the upload for other processes, again whenever its end moves. */
  private async note(receipt: ChunkMediaDto): Promise<void> {
    this.uploadId = receipt.upload_id;
    if (receipt.expires === this.savedExpiry) return;
    await this.parts.bookmark.save(this.idempotencyKey, receipt);
    this.savedExpiry = receipt.expires;
  }

  /** Can be repeated: the server answers the same Media. */
  private async finish(signal: AbortSignal): Promise<MediaDto> {
    const { checksum, api, bookmark, options } = this.parts;
    const completion = { upload_id: this.uploadId ?? '', md5: await checksum.digest() };
    const media = await api.complete({ ...completion, ...(options.type && { type: options.type }) }, signal);
    await bookmark.remove();
    return media;
  }

  /** Makes ready for another attempt, as the error says; throws it when there can be none. */
  private async recover(error: UploadError, signal: AbortSignal): Promise<void> {
    if (error.action === 'resume-from-offset') this.offset = error.offset;
    else if (error.action === 'restart') await this.restart(error, signal);
    else if (error.action !== 'wait' && error.action !== 'resend-chunk' && !this.fitChunks(error)) {
      await this.forgetIfVain(error);
      throw error;
    }
    const delayMs = this.backoff.next(error.retryAfterMs);
    if (delayMs === undefined) throw error;
    this.parts.retrying(error, delayMs);
    await pause(delayMs, signal);
  }

  private async restart(error: UploadError, signal: AbortSignal): Promise<void> {
    const { api, bookmark, checksum } = this.parts;
    if (++this.restarts > MAX_RESTARTS) throw error;
    if (error.code === 'checksum-mismatch' && this.uploadId !== undefined) {
      // Its bytes are wrong for good; if it stays all the same, it expires.
      await api.cancel(this.uploadId, signal).catch(() => undefined);
    }
    this.uploadId = this.savedExpiry = undefined;
    this.offset = 0;
    this.idempotencyKey = randomKey();
    await checksum.restart();
    await bookmark.remove();
  }

  /** A server may be configured to smaller chunks than this client's, and says so. */
  private fitChunks({ code, problem }: UploadError): boolean {
    const maxBytes = Number(problem?.['max_bytes']);
    if (code !== 'chunk-too-large' || !(maxBytes >= 1 && maxBytes < this.chunkBytes)) return false;
    this.chunkBytes = maxBytes;
    return true;
  }

  /** What the server has refused for good would be refused again. */
  private async forgetIfVain({ code, problem, action }: UploadError): Promise<void> {
    // What the server has of it belongs to a file that is no more.
    if (code === 'file-changed') void this.cancel().catch(() => undefined);
    const vain = action === 'give-up' || (action === 'fix-request' && this.uploadId === undefined);
    if (problem && vain) await this.parts.bookmark.remove();
  }
}

/** 128 random bits. `randomUUID` is missing on pages without TLS. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}
