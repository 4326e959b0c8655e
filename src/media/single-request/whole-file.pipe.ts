import { Injectable, type PipeTransform } from '@nestjs/common';
import type { Request } from 'express';
import { BufferPool } from '../../body/buffer-pool.js';
import { UNPOOLED_BYTES } from '../../body/read-body.js';
import { Config } from '../../config/config.js';
import { FORM_BYTES } from '../../config/settings/uploads.js';
import { InvalidRequest } from '../../errors/app-error.js';
import { WholeRequest } from '../../http/whole-request.js';
import { readChunk, type Chunk, type RequestLimits } from '../uploads/chunks/chunk-request.js';

/** Files in memory at a time. Further ones get a 503. One block stays allocated for the next file. */
const MAX_IN_MEMORY = 8;
const MAX_FREE = 1;

@Injectable()
export class FileBuffers extends BufferPool {
  constructor({ uploads }: Config) {
    super(uploads.singleMaxBytes + FORM_BYTES, MAX_IN_MEMORY, MAX_FREE);
  }
}

export interface IncomingFile {
  /** Whether it needs none of `FileBuffers`. */
  readonly isSmall: boolean;
  /** Reads the file into memory. The caller must give its bytes back to `FileBuffers`. */
  readonly read: () => Promise<Chunk>;
}

/** Reads the body only on demand, so that requests with other errors do not leave it in memory. */
@Injectable()
export class WholeFilePipe implements PipeTransform<Request, IncomingFile> {
  private readonly limits: RequestLimits;

  constructor(
    { uploads: { singleMaxBytes } }: Config,
    private readonly buffers: FileBuffers,
  ) {
    this.limits = {
      chunkMaxBytes: singleMaxBytes,
      requestMaxBytes: singleMaxBytes + FORM_BYTES,
      advice: 'Upload a larger file in chunks, to /api/v2/media/upload/chunk/',
    };
  }

  transform(request: Request): IncomingFile {
    if (request.headers['content-range'] !== undefined)
      throw new InvalidRequest('Content-Range', 'Send chunks to /api/v2/media/upload/chunk/');
    return {
      isSmall: Number(request.headers['content-length']) <= UNPOOLED_BYTES,
      read: async () => (await readChunk(request, request.query, this.limits, this.buffers)) as Chunk,
    };
  }
}

/** The file of the request. */
export const WholeFile = () => WholeRequest(WholeFilePipe);
