import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Caller } from '../../audit/audit.js';
import { Shares } from '../../concurrency/shares.js';
import { InvalidRequest } from '../../errors/app-error.js';
import { TooManyRequests } from '../../errors/too-many-requests.js';
import type { Chunk, Receipt } from '../uploads/chunks/chunk-request.js';
import { CompletionService, type Completion, type CompletionRequest } from '../uploads/completion.service.js';
import { UploadRateLimiter } from '../uploads/limits/upload-rate-limiter.js';
import { checksumMismatch } from '../uploads/upload.errors.js';
import { UploadService } from '../uploads/upload.service.js';
import { FileBuffers, type IncomingFile } from './whole-file.pipe.js';

/** Files of one user in memory, small ones not counted. Fewer than there may be of all users. */
const MAX_PER_USER = 6;

/** How much is hashed at a time. */
const PIECE_BYTES = 1024 * 1024;

/** How to complete the upload of a file. */
interface StoredFile extends CompletionRequest {
  /** Whether it has an Idempotency-Key. */
  readonly isKeyed: boolean;
}

/** Uploads a file from one request like any other client: in a chunk, followed by the completion. */
@Injectable()
export class SingleRequestService {
  private readonly shares = new Shares(MAX_PER_USER, () => new TooManyRequests());

  constructor(
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
    const store = () => this.store(caller, file);
    const { isKeyed, ...request } = await (file.isSmall ? store() : this.shares.run(caller.id, store));
    try {
      return await this.completions.complete(caller, request, client);
    } catch (error) {
      // Without a key, no retry can find the upload. If this fails too, it expires.
      if (!isKeyed) await this.uploads.cancel(caller, request.uploadId).catch(() => undefined);
      throw error;
    }
  }

  /** Stores a file and releases its memory, because completing may take long. Returns how to complete its upload. */
  private async store(caller: Caller, { read }: IncomingFile): Promise<StoredFile> {
    const file = await read();
    let md5: string;
    let receipt: Receipt;
    try {
      md5 = await md5Of(file.bytes);
      verify(file, md5);
      receipt = await this.uploads.take(caller, file);
    } finally {
      this.buffers.giveBack(file.bytes);
    }
    if (receipt.outcome !== 'replayed') await this.rates.throttle(caller, file.bytes.length);
    const isKeyed = file.idempotencyKey !== undefined;
    return { uploadId: receipt.id, md5, claim: undefined, isKeyed };
  }
}

/** The MD5 that the client gives, if it gives one. */
function verify({ md5: given }: Chunk, md5: string): void {
  if (given === undefined) return;
  if (!/^[0-9a-f]{32}$/.test(given)) throw new InvalidRequest('md5', 'md5 must be 32 hex digits');
  if (given !== md5) throw checksumMismatch(0);
}

/** In pieces, so that other requests need not wait. */
async function md5Of(bytes: Buffer): Promise<string> {
  const hash = createHash('md5');
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    hash.update(bytes.subarray(at, at + PIECE_BYTES));
    await turn();
  }
  return hash.digest('hex');
}
