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

/** Reads a whole file: the one chunk of its upload. Its bytes have to be given back to `FileBuffers`. */
@Injectable()
export class WholeFilePipe implements PipeTransform<Request, Promise<Chunk>> {
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

  async transform(request: Request): Promise<Chunk> {
    if (request.headers['content-range'] !== undefined)
      throw new InvalidRequest('Content-Range', 'Send chunks to /api/v2/media/upload/chunk/');
    return (await readChunk(request, request.query, this.limits, this.buffers)) as Chunk;
  }
}

/** The file of the request, whole and in memory. */
export const WholeFile = () => WholeRequest(WholeFilePipe);
