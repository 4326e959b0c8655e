import { Catch, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import { ClientGone } from './client-gone.js';
import { toAppError, toProblem } from './problem.js';

/** The one filter of the app: whatever was thrown leaves as `application/problem+json` (RFC 9457). */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Problem');

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<Request>();
    const response = http.getResponse<Response>();
    if (thrown instanceof ClientGone) return;
    const error = toAppError(thrown);
    if (error.status >= 500)
      this.logger.error({ request_id: request.id, code: error.code, err: error }, error.detail);
    if (response.headersSent) return void response.destroy();
    response
      .status(error.status)
      .set({ 'Cache-Control': 'no-store', ...error.details.headers })
      .type('application/problem+json')
      .send(JSON.stringify(toProblem(error, request.id)));
  }
}
