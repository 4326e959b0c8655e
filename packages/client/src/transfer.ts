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
/** Browsers are known to be wrong about being offline. */
const OFFLINE_MS = 30_000;

export interface TransferParts {
  readonly source: Source;
  readonly checksum: Checksum;
  readonly api: Api;
  readonly bookmark: Bookmark;
  readonly cancellations: Cancellations;
  readonly options: UploadOptions;
  /** By this its name is told in the server's list. */
  readonly gist: string;
  /** No other upload here is of a file with this name and size: the one in the server's list is nobody else's. */
  readonly isAlone: boolean;
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
  /** The request that opens the upload, while it is under way. */
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

  /** Takes the upload from the server, now or as soon as it can be reached, unless it is complete or gone. */
  async cancel(): Promise<void> {
    const { bookmark, cancellations } = this.parts;
    await bookmark.remove();
    if (this.remote.id !== undefined) await cancellations.cancel(this.remote.id);
  }

  private async sendNext(start: number, signal: AbortSignal): Promise<number> {
    const { source, checksum, api, bookmark, options } = this.parts;
    const { id: uploadId, idempotencyKey } = this.remote;
    const end = Math.min(start + this.chunkBytes, source.size);
    await checksum.reach(start);
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

  /** Can be repeated: the server answers the same Media. */
  private async finish(signal: AbortSignal): Promise<MediaDto> {
    const { checksum, api, bookmark, options } = this.parts;
    const completion = { upload_id: this.remote.id ?? '', md5: await checksum.digest() };
    const media = await api.complete({ ...completion, ...(options.type && { type: options.type }) }, signal);
    await bookmark.remove();
    return media;
  }

  /** Makes ready for another attempt and waits for its time; throws the error when there can be none. */
  private async recover(error: UploadError, signal: AbortSignal): Promise<void> {
    const offline = isOffline() && lacksNetwork(error);
    // A token that could not be got offline changes nothing about the upload.
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
    // Its bytes are wrong for good.
    if (error.code === 'checksum-mismatch' && id !== undefined) await cancellations.cancel(id);
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
    const vain = action === 'give-up' || (action === 'fix-request' && this.remote.id === undefined);
    if (problem && vain) await this.parts.bookmark.remove();
    // What the server has of it belongs to a file that is no more.
    if (code === 'file-changed') void this.cancel();
  }
}

function lacksNetwork(error: UploadError): boolean {
  return error instanceof AnswerLost || error.code === 'no-token' || (error.status > 0 && !error.problem);
}
