import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Caller } from '../../audit/audit.js';
import { Shares } from '../../concurrency/shares.js';
import { Config } from '../../config/config.js';
import { InvalidRequest } from '../../errors/app-error.js';
import { TooManyRequests } from '../../errors/too-many-requests.js';
import type { Chunk } from '../uploads/chunks/chunk-request.js';
import { CompletionService, type Completion, type CompletionRequest } from '../uploads/completion.service.js';
import { UploadRateLimiter } from '../uploads/limits/upload-rate-limiter.js';
import { checksumMismatch } from '../uploads/upload.errors.js';
import { UploadService } from '../uploads/upload.service.js';
import { FileBuffers, type IncomingFile } from './whole-file.pipe.js';

/** Files of one user in memory, small ones not counted. Fewer than there may be of all users. */
const MOST_PER_USER = 6;

/** Uploads a file from one request like any other client: in chunks, followed by the completion. */
@Injectable()
export class SingleRequestService {
  private readonly shares = new Shares(MOST_PER_USER, () => new TooManyRequests());

  constructor(
    private readonly config: Config,
    private readonly buffers: FileBuffers,
    private readonly uploads: UploadService,
    private readonly rates: UploadRateLimiter,
    private readonly completions: CompletionService,
  ) {}

  /**
   * A retry with the same Idempotency-Key returns the same media item.
   * @param client aborted when the client has gone
   */
  async upload(caller: Caller, file: IncomingFile, client: AbortSignal): Promise<Completion> {
    let unknown: string | undefined;
    const opened = (id: string) => (unknown = id);
    try {
      const store = () => this.store(caller, file, opened);
      const request = await (file.isSmall ? store() : this.shares.run(caller.id, store));
      return await this.completions.complete(caller, request, client);
    } catch (error) {
      // If this fails too, the upload expires.
      if (unknown !== undefined) await this.uploads.cancel(caller, unknown).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Stores a file and releases its memory, because completing may take long. Returns how to complete its upload.
   * @param opened is told of an upload that nobody else knows, as retries know one by its Idempotency-Key
   */
  private async store(
    caller: Caller,
    { read }: IncomingFile,
    opened: (id: string) => void,
  ): Promise<CompletionRequest> {
    const file = await read();
    const md5 = createHash('md5');
    let uploadId: string | undefined;
    try {
      verify(file);
      for (const chunk of chunksOf(file, this.config.uploads.chunkMaxBytes)) {
        // One that the client gave has been verified.
        if (file.md5 === undefined) md5.update(chunk.bytes);
        // Only the first chunk is subject to the byte rate, because the other bytes are in memory already.
        const isFirst = uploadId === undefined;
        const { id, outcome } = await this.uploads.take(caller, { ...chunk, uploadId }, isFirst);
        if (isFirst && outcome === 'appended' && file.idempotencyKey === undefined) opened(id);
        uploadId = id;
      }
    } finally {
      this.buffers.giveBack(file.bytes);
    }
    await this.rates.throttle(caller, file.bytes.length);
    return { uploadId: uploadId ?? '', md5: file.md5 ?? md5.digest('hex'), claim: undefined };
  }
}

/** The MD5 that the client gives, if it gives one. */
function verify({ bytes, md5 }: Chunk): void {
  if (md5 === undefined) return;
  if (!/^[0-9a-f]{32}$/.test(md5)) throw new InvalidRequest('md5', 'md5 must be 32 hex digits');
  if (createHash('md5').update(bytes).digest('hex') !== md5) throw checksumMismatch(0);
}

function* chunksOf(file: Chunk, maxBytes: number): Generator<Chunk> {
  const total = file.bytes.length;
  for (let start = 0; start < total; start += maxBytes) {
    const bytes = file.bytes.subarray(start, start + maxBytes);
    yield { ...file, bytes, range: { start, end: start + bytes.length - 1, total } };
  }
}
