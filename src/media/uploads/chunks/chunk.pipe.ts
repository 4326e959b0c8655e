import type { IncomingMessage } from 'node:http';
import { Injectable, type PipeTransform } from '@nestjs/common';
import { BufferPool } from '../../../body/buffer-pool.js';
import { Config } from '../../../config/config.js';
import { WholeRequest } from '../../../http/whole-request.js';
import { byteSize } from '../../byte-size.js';
import { readChunk, type Chunk, type ChunkQuery, type Query, type RequestLimits } from './chunk-request.js';

@Injectable()
export class ChunkPipe implements PipeTransform<IncomingMessage, Promise<Chunk | ChunkQuery>> {
  private readonly limits: RequestLimits;

  constructor(
    { uploads }: Config,
    private readonly buffers: BufferPool,
  ) {
    const whole = `up to ${byteSize(uploads.singleMaxBytes)} in one request to /api/v2/media/`;
    this.limits = { ...uploads, advice: `Send a larger file in chunks with Content-Range, or ${whole}` };
  }

  /** Without Express a request has no query: forms need none. */
  async transform(request: IncomingMessage & { readonly query?: Query }): Promise<Chunk | ChunkQuery> {
    return await readChunk(request, request.query ?? {}, this.limits, this.buffers);
  }
}

/** The chunk of the request, whole and in memory, or its question about the offset. */
export const ChunkRequest = () => WholeRequest(ChunkPipe);
