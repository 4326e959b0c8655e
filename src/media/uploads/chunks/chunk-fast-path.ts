import type { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { User } from '../../../auth/claims.js';
import { VerifiedTokens } from '../../../auth/verified-tokens.js';
import { Config } from '../../../config/config.js';
import { answerProblem } from '../../../errors/answer-problem.js';
import { receiptHeaders, receiptStatus, toChunkMediaDto } from '../upload.dto.js';
import { UploadService } from '../upload.service.js';
import { ChunkPipe } from './chunk.pipe.js';

const PATH = '/api/v2/media/upload/chunk';

/**
 * The way of most requests: a chunk in a form, with the token of the chunk before. It is the way through the guard, pipe and
 * controller of `POST chunk` with the same parts, but without Express and Nest in between, which take as much time again
 * (decisions/005). All that is not plainly such a request goes the other way.
 */
@Injectable()
export class ChunkFastPath {
  constructor(
    private readonly tokens: VerifiedTokens,
    private readonly pipe: ChunkPipe,
    private readonly uploads: UploadService,
    private readonly config: Config,
  ) {}

  readonly handle = (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    const user = isChunk(request) ? this.tokens.find(request.headers.authorization) : undefined;
    if (!user) return next();
    Object.assign(request, { user, route: { path: PATH } });
    this.answer(user, request, response).catch((error: unknown) => answerProblem(request, response, error));
  };

  private async answer(user: User, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunk = await this.pipe.transform(request);
    const { address, id: requestId } = request;
    const receipt = await this.uploads.receive({ id: user.id, address, requestId }, chunk);
    const body = JSON.stringify(toChunkMediaDto(receipt));
    response
      .writeHead(receiptStatus(receipt), {
        ...receiptHeaders(receipt, this.config.publicPath),
        'Content-Type': 'application/json; charset=utf-8',
        'Content-Length': Buffer.byteLength(body),
      })
      .end(body);
  }
}

/** A query would have to be parsed as Express does; forms have none. */
function isChunk({ method, url }: IncomingMessage): boolean {
  return method === 'POST' && (url === `${PATH}/` || url === PATH);
}
