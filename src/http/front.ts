import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { answerProblem } from '../errors/answer-problem.js';

/** Middleware as Connect defined it, on Node's own objects: what Express adds to them is not there yet. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Puts middlewares in front of all that listens for requests. In front and not inside of Express, whose change of the
 * prototypes of request and response costs a chunk more than its whole way through the rest of the app (decisions/005).
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
        // Thrown past here it would end the process.
        answerProblem(request, response, error);
      }
    };
    pass(0);
  });
}
