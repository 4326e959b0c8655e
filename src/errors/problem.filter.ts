import { Catch, NotFoundException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import { answerProblem } from './answer-problem.js';
import { allowedMethods, MethodNotAllowed } from './method-not-allowed.js';

/** The only filter of the app: sends everything thrown as `application/problem+json` (RFC 9457). */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<Request>();
    answerProblem(request, http.getResponse<Response>(), refusal(request, thrown));
  }
}

/** Nest answers 404 for a wrong method; this makes it a 405. */
function refusal(request: Request, thrown: unknown): unknown {
  if (!(thrown instanceof NotFoundException)) return thrown;
  const allowed = allowedMethods(request);
  return allowed.length > 0 ? new MethodNotAllowed(allowed) : thrown;
}
