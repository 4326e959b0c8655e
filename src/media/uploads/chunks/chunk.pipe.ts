import type { IncomingMessage } from 'node:http';
import { Injectable, type PipeTransform } from '@nestjs/common';
import { BufferPool } from '../../../body/buffer-pool.js';
import { Config } from '../../../config/config.js';
import { WholeRequest } from '../../../http/whole-request.js';
import { readChunk, type Chunk, type ChunkQuery, type Query } from './chunk-request.js';

@Injectable()
export class ChunkPipe implements PipeTransform<IncomingMessage, Promise<Chunk | ChunkQuery>> {
  constructor(
    private readonly config: Config,
    private readonly buffers: BufferPool,
  ) {}

  /** Without Express a request has no query: forms need none. */
  async transform(request: IncomingMessage & { readonly query?: Query }): Promise<Chunk | ChunkQuery> {
    return await readChunk(request, request.query ?? {}, this.config.uploads, this.buffers);
  }
}

/** The chunk of the request, whole and in memory, or its question about the offset. */
export const ChunkRequest = () => WholeRequest(ChunkPipe);
