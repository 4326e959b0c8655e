import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { answerProblem } from '../errors/answer-problem.js';

/** Connect middleware on Node's own objects, without the additions of Express. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Runs middlewares before all other listeners for requests. Not inside Express, because its change of the prototypes of
 * request and response costs more than the rest of the app for a chunk (decisions/005).
 */
export function inFront(server: Server, middlewares: readonly Middleware[]): void {
  const listeners = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    const pass = (index: number): void => {
      try {
        const middleware = middlewares[index];
        if (middleware) return middleware(request, response, () => pass(index + 1));
        for (const listener of listeners) listener(request, response);
      } catch (error) {
        // An uncaught error would end the process.
        answerProblem(request, response, error);
      }
    };
    pass(0);
  });
}
