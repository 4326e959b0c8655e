import type { IncomingMessage, ServerResponse } from 'node:http';
import { Logger } from '@nestjs/common';
import { ClientGone } from './client-gone.js';
import { toAppError, toProblem } from './problem.js';

const logger = new Logger('Problem');

/** Sends anything that was thrown as `application/problem+json`. Server errors are logged with their causes. */
export function answerProblem(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
  if (thrown instanceof ClientGone) return;
  const error = toAppError(thrown);
  if (error.status >= 500)
    logger.error({ request_id: request.id, code: error.code, err: error }, error.detail);
  if (response.headersSent) return void response.destroy();
  const body = JSON.stringify(toProblem(error, request.id));
  response
    .writeHead(error.status, {
      'Cache-Control': 'no-store',
      ...error.details.headers,
      'Content-Type': 'application/problem+json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
    })
    .end(body);
}
