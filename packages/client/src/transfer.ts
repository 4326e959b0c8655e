import type { Api } from './api.js';
import type { ChunkMediaDto, MediaDto } from './api-types.js';
import { Backoff, PATIENT, pause } from './backoff.js';
import type { Bookmark } from './bookmark.js';
import type { Cancellations } from './cancellations.js';
import type { Checksum } from './checksum.js';
import { isOffline } from './network.js';
import type { Source } from './platform.js';
import { RemoteUpload } from './remote-upload.js';
import { AnswerLost, fileChanged, LocalError, toUploadError, type UploadError } from './upload-error.js';
import type { UploadOptions } from './upload-options.js';

const DEFAULT_CHUNK_BYTES = 204_800;
const MAX_RESTARTS = 3;
/** Retries even while offline, because browsers are sometimes wrong about that. */
const OFFLINE_MS = 30_000;

export interface TransferParts {
  readonly source: Source;
  readonly checksum: Checksum;
  readonly api: Api;
  readonly bookmark: Bookmark;
  readonly cancellations: Cancellations;
  readonly options: UploadOptions;
  /** The title by which the upload is found in the server's list. */
  readonly gist: string;
  /** Whether no other upload here has this name and size, so that the one in the server's list is ours. */
  readonly isAlone: boolean;
  /** Called with the number of bytes on the disk of the server. */
  readonly moved: (offset: number) => void;
  /** Called when a request failed and will be retried. */
  readonly retrying: (error: UploadError, delayMs: number) => void;
}

/**
 * Transfers one file. A run can be stopped at any point, and another run continues. The server decides what the offset
 * is: after a lost response it is asked.
 */
export class Transfer {
  /** The pending request that opens the upload. */
  opening: Promise<unknown> | undefined;
  private readonly remote: RemoteUpload;
  private restarts = 0;
  private chunkBytes: number;
  private readonly backoff: Backoff;

  constructor(private readonly parts: TransferParts) {
    const { chunkBytes = DEFAULT_CHUNK_BYTES, retry } = parts.options;
    this.chunkBytes = chunkBytes;
    this.backoff = new Backoff({ ...PATIENT, ...retry });
    this.remote = new RemoteUpload(parts);
  }

  get uploadId(): string | undefined {
    return this.remote.id;
  }

  async run(signal: AbortSignal): Promise<MediaDto> {
    const { size } = this.parts.source;
    if (size === 0) throw new LocalError('empty-file', 'The file is empty');
    this.remote.offset = undefined;
    this.backoff.reset();
    for (;;) {
      try {
        let offset = await this.remote.locate(this.chunkBytes, signal);
        while (offset < size) offset = await this.sendNext(offset, signal);
        return await this.finish(signal);
      } catch (error) {
        signal.throwIfAborted();
        await this.recover(toUploadError(error), signal);
      }
    }
  }

  /** Cancels the upload on the server, now or as soon as that can be reached, unless it is complete or gone. */
  async cancel(): Promise<void> {
    const { bookmark, cancellations } = this.parts;
    await bookmark.remove();
    if (this.remote.id !== undefined) await cancellations.cancel(this.remote.id);
  }

  private async sendNext(start: number, signal: AbortSignal): Promise<number> {
    const { source, checksum, api, bookmark, options } = this.parts;
    const { id: uploadId, idempotencyKey } = this.remote;
    const end = Math.min(start + this.chunkBytes, source.size);
    await checksum.reach(start, signal);
    const bytes = await source.read(start, end);
    if (bytes.length !== end - start) throw fileChanged();
    signal.throwIfAborted();
    if (uploadId === undefined) await bookmark.save(idempotencyKey);
    const { name = source.name, expires } = options;
    const chunk = { uploadId, idempotencyKey, start, total: source.size, bytes, name, expires };
    const stored = api.chunk(chunk, signal).then(async (receipt) => await this.accept(receipt, start));
    if (uploadId === undefined) this.opening = stored;
    const [offset] = await Promise.all([stored, checksum.add(start, bytes)]);
    return offset;
  }

  private async accept(receipt: ChunkMediaDto, start: number): Promise<number> {
    const offset = await this.remote.accept(receipt, start);
    this.backoff.reset();
    this.parts.moved(offset);
    return offset;
  }

  /** Safe to retry: the server returns the same media item. */
  private async finish(signal: AbortSignal): Promise<MediaDto> {
    const { checksum, api, bookmark, options } = this.parts;
    const completion = { upload_id: this.remote.id ?? '', md5: await checksum.digest(signal) };
    const media = await api.complete({ ...completion, ...(options.type && { type: options.type }) }, signal);
    await bookmark.remove();
    return media;
  }

  /** Prepares the next attempt and waits for it. Throws the error if there can be none. */
  private async recover(error: UploadError, signal: AbortSignal): Promise<void> {
    const offline = isOffline() && lacksNetwork(error);
    // The upload itself is not affected if no token can be obtained offline.
    if (!offline || error.code !== 'no-token') await this.obey(error);
    const delayMs = offline ? OFFLINE_MS : this.backoff.next(error.retryAfterMs);
    if (delayMs === undefined) throw error;
    const told = offline ? new AnswerLost('offline', 'There is no network connection', error) : error;
    this.parts.retrying(told, delayMs);
    await pause(delayMs, signal);
    if (offline) this.backoff.reset();
  }

  private async obey(error: UploadError): Promise<void> {
    if (error.action === 'resume-from-offset') this.remote.offset = error.offset;
    else if (error.action === 'restart') await this.restart(error);
    else if (error.action !== 'wait' && error.action !== 'resend-chunk' && !this.fitChunks(error)) {
      await this.forgetIfVain(error);
      throw error;
    }
  }

  private async restart(error: UploadError): Promise<void> {
    const { cancellations, checksum } = this.parts;
    if (++this.restarts > MAX_RESTARTS) throw error;
    const { id } = this.remote;
    await checksum.restart();
    await this.remote.replace();
    // Its bytes are wrong and cannot be corrected.
    if (error.code === 'checksum-mismatch' && id !== undefined) await cancellations.cancel(id);
  }

  /** A server may be configured for smaller chunks, and then says so. */
  private fitChunks({ code, problem }: UploadError): boolean {
    const maxBytes = Number(problem?.['max_bytes']);
    if (code !== 'chunk-too-large' || !(maxBytes >= 1 && maxBytes < this.chunkBytes)) return false;
    this.chunkBytes = maxBytes;
    return true;
  }

  /** Forgets an upload that the server has finally refused, because it would be refused again. */
  private async forgetIfVain({ code, problem, action }: UploadError): Promise<void> {
    const vain = action === 'give-up' || (action === 'fix-request' && this.remote.id === undefined);
    if (problem && vain) await this.parts.bookmark.remove();
    // The bytes on the server are of a version of the file that is gone.
    if (code === 'file-changed') void this.cancel();
  }
}

function lacksNetwork(error: UploadError): boolean {
  return error instanceof AnswerLost || error.code === 'no-token' || (error.status > 0 && !error.problem);
}
