import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Response } from 'express';
import { ClientGone } from '../errors/client-gone.js';

/** An AbortSignal that aborts when the connection ends before the response has been sent. */
export const ClientSignal = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const response = context.switchToHttp().getResponse<Response>();
  const client = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) client.abort(new ClientGone('The connection ended before the answer'));
  });
  return client.signal;
});
