import { Injectable, type PipeTransform } from '@nestjs/common';
import type { Request } from 'express';
import { BufferPool } from '../../body/buffer-pool.js';
import { Config, FORM_BYTES } from '../../config/config.js';
import { InvalidRequest } from '../../errors/app-error.js';
import { WholeRequest } from '../../http/whole-request.js';
import { readChunk, type Chunk, type RequestLimits } from '../uploads/chunks/chunk-request.js';

/** Whole files in memory at a time; more are told to wait. One block of memory stays for the next. */
const MOST_IN_MEMORY = 8;
const MOST_FREE = 1;

@Injectable()
export class FileBuffers extends BufferPool {
  constructor({ uploads }: Config) {
    super(uploads.singleMaxBytes + FORM_BYTES, MOST_IN_MEMORY, MOST_FREE);
  }
}

/** Reads the file into memory: the one chunk of its upload. Whoever calls it gives its bytes back to `FileBuffers`. */
export type FileReader = () => Promise<Chunk>;

/** Leaves the body alone until the file is asked for: what else is wrong with a request must not leave it in memory. */
@Injectable()
export class WholeFilePipe implements PipeTransform<Request, FileReader> {
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

  transform(request: Request): FileReader {
    if (request.headers['content-range'] !== undefined)
      throw new InvalidRequest('Content-Range', 'Send chunks to /api/v2/media/upload/chunk/');
    return async () => (await readChunk(request, request.query, this.limits, this.buffers)) as Chunk;
  }
}

/** The file of the request. */
export const WholeFile = () => WholeRequest(WholeFilePipe);
