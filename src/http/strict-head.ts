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
  const repeated = repeatedHeaders(request.rawHeaders);
  const wrong = repeated.find((name) => name !== 'authorization');
  if (wrong) return answerProblem(request, response, new RepeatedHeader(wrong));
  // Two tokens are none.
  if (repeated.length > 0) delete headers.authorization;
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

class RepeatedHeader extends AppError {
  constructor(name: string) {
    super('repeated-header', 400, 'The header may appear only once', {
      action: 'fix-request',
      field: name,
    });
  }
}

class ExpectationFailed extends AppError {
  constructor() {
    super('expectation-failed', 417, 'The only supported Expect header is 100-continue (RFC 9110, 10.1.1)', {
      action: 'fix-request',
    });
  }
}

/** Of these Node takes the first and drops the rest; a proxy in front may have looked at the last. */
const ONCE = ['host', 'content-type', 'authorization'];
const LENGTHS = ONCE.map((name) => name.length);

/** Headers that may stand once and stand twice. */
function repeatedHeaders(rawHeaders: readonly string[]): string[] {
  const seen: string[] = [];
  const repeated: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const given = rawHeaders[i] ?? '';
    if (!LENGTHS.includes(given.length)) continue;
    const name = given.toLowerCase();
    if (ONCE.includes(name)) (seen.includes(name) ? repeated : seen).push(name);
  }
  return repeated;
}
