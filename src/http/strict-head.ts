import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { answerProblem } from '../errors/answer-problem.js';
import { AppError, InvalidRequest } from '../errors/app-error.js';
import type { Middleware } from './front.js';

declare module 'node:http' {
  interface IncomingMessage {
    /** Asks a client that waits for it (`Expect: 100-continue`) for the body. Set only when it does wait. */
    askForBody?: () => void;
  }
}

const MAX_HEADERS = 100;

/** What the head of every request must be, whatever it asks for. Needs `expectationsAsRequests`. */
export const strictHead: Middleware = (request, response, next) => {
  const { headers, httpVersion, askForBody } = request;
  if (request.rawHeaders.length > 2 * MAX_HEADERS)
    return answerProblem(request, response, new TooManyHeaders());
  if (headers.host === undefined && httpVersion !== '1.0') {
    const detail = 'The Host header is missing (RFC 9112, 3.2)';
    return answerProblem(request, response, new InvalidRequest('Host', detail, 'missing-host'));
  }
  if (headers.expect !== undefined && !askForBody)
    return answerProblem(request, response, new ExpectationFailed());
  // Node takes the first of several; a proxy in front may have looked at the last.
  if (countOf(request, 'authorization') > 1) delete headers.authorization;
  next();
};

/**
 * Lets requests that Node would answer by itself through to those who listen for requests, so that they get the same
 * answers as others. Whoever reads the body says "100 Continue", so what the head condemns is refused without a byte of it.
 */
export function expectationsAsRequests(server: Server): void {
  // An option of Node's that its types know of createServer alone.
  Object.assign(server, { requireHostHeader: false });
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    request.askForBody = () => response.writeContinue();
    server.emit('request', request, response);
  });
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    server.emit('request', request, response);
  });
}

class TooManyHeaders extends AppError {
  constructor() {
    super('headers-too-large', 431, `A request may have at most ${MAX_HEADERS} headers`, {
      action: 'fix-request',
    });
  }
}

class ExpectationFailed extends AppError {
  constructor() {
    super('expectation-failed', 417, 'No expectation but 100-continue can be met (RFC 9110, 10.1.1)', {
      action: 'fix-request',
    });
  }
}

function countOf({ rawHeaders }: IncomingMessage, name: string): number {
  return rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name).length;
}
