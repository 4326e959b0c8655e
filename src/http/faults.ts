import { setTimeout } from 'node:timers/promises';
import { answerProblem } from '../errors/answer-problem.js';
import { InvalidRequest, ServiceUnavailable } from '../errors/app-error.js';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Middleware } from './front.js';

const SLOW_MS = 2000;

type Fault = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/** Simulated failures, by the value of `X-Fault`. */
const FAULTS: ReadonlyMap<string, Fault> = new Map<string, Fault>([
  // The request is not processed.
  ['lost-request', (request) => void request.socket.destroy()],
  // The request is processed, but the response is lost.
  [
    'lost-answer',
    (request, response, next) => {
      response.end = () => {
        request.socket.destroy();
        return response;
      };
      next();
    },
  ],
  ['unavailable', (request, response) => answerProblem(request, response, new ServiceUnavailable())],
  ['slow', (_request, _response, next) => void setTimeout(SLOW_MS).then(next)],
]);

/**
 * Simulates the failure that a request asks for with `X-Fault`, so that developers can test their clients.
 * @param on whether this is a demo server; others refuse such a request
 */
export function faults(on: boolean): Middleware {
  return (request, response, next) => {
    const name = request.headers['x-fault'];
    if (name === undefined) return next();
    const fault = on && typeof name === 'string' ? FAULTS.get(name) : undefined;
    if (fault) return fault(request, response, next);
    const detail = on
      ? `X-Fault must be one of ${[...FAULTS.keys()].join(', ')}`
      : 'X-Fault works on demo servers only';
    answerProblem(request, response, new InvalidRequest('X-Fault', detail));
  };
}
