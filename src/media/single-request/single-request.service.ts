import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Caller } from '../../audit/audit.js';
import { Config } from '../../config/config.js';
import type { Chunk, Receipt } from '../uploads/chunks/chunk-request.js';
import { CompletionService, type Completion } from '../uploads/completion.service.js';
import { UploadService } from '../uploads/upload.service.js';

/** Uploads a file that came in one request as any other client would: in chunks, which it then completes. */
@Injectable()
export class SingleRequestService {
  constructor(
    private readonly config: Config,
    private readonly uploads: UploadService,
    private readonly completions: CompletionService,
  ) {}

  /**
   * A repeat with the same Idempotency-Key returns the same Media.
   * @param client aborted when the client has gone
   */
  async upload(caller: Caller, file: Chunk, client: AbortSignal): Promise<Completion> {
    let first: Receipt | undefined;
    try {
      const md5 = createHash('md5');
      for (const chunk of chunksOf(file, this.config.uploads.chunkMaxBytes)) {
        md5.update(chunk.bytes);
        const receipt = await this.uploads.receive(caller, { ...chunk, uploadId: first?.id });
        first ??= receipt;
      }
      const request = { uploadId: first?.id ?? '', md5: md5.digest('hex'), claim: undefined };
      return await this.completions.complete(caller, request, client);
    } catch (error) {
      // Nobody knows its id. If this fails as well, it ends when it expires.
      if (first?.outcome === 'appended') await this.uploads.cancel(caller, first.id).catch(() => undefined);
      throw error;
    }
  }
}

function* chunksOf(file: Chunk, maxBytes: number): Generator<Chunk> {
  const total = file.bytes.length;
  for (let start = 0; start < total; start += maxBytes) {
    const bytes = file.bytes.subarray(start, start + maxBytes);
    yield { ...file, bytes, range: { start, end: start + bytes.length - 1, total } };
  }
}
