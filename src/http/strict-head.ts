import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { answerProblem } from '../errors/answer-problem.js';
import { AppError, InvalidRequest } from '../errors/app-error.js';
import type { Middleware } from './front.js';

declare module 'node:http' {
  interface IncomingMessage {
    /** Sends "100 Continue". Set only if the client waits for it (`Expect: 100-continue`). */
    askForBody?: () => void;
  }
}

const MAX_HEADERS = 100;

/** Checks the head of every request. Needs `expectationsAsRequests`. */
export const strictHead: Middleware = (request, response, next) => {
  const { headers, httpVersion, askForBody } = request;
  if (request.rawHeaders.length > 2 * MAX_HEADERS)
    return answerProblem(request, response, new TooManyHeaders());
  if (headers.host === undefined && httpVersion !== '1.0') {
    const detail = 'The Host header is missing (RFC 9112, 3.2)';
    return answerProblem(request, response, new InvalidRequest('Host', detail, 'missing-host'));
  }
  // In HTTP/1.0 it means nothing (RFC 9110, 10.1.1).
  if (headers.expect !== undefined && !askForBody && httpVersion !== '1.0')
    return answerProblem(request, response, new ExpectationFailed());
  const repeated = repeatedHeaders(request.rawHeaders);
  const wrong = repeated.find((name) => name !== 'authorization');
  if (wrong) return answerProblem(request, response, new RepeatedHeader(wrong));
  // Two tokens count as none.
  if (repeated.length > 0) delete headers.authorization;
  next();
};

/**
 * Passes requests with `Expect` on to the usual listeners instead of letting Node answer them. Whoever reads the body
 * sends "100 Continue", so a request that is refused by its head never sends a body.
 */
export function expectationsAsRequests(server: Server): void {
  // The types of Node know this option only for createServer.
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

/** Node uses the first of these headers and drops the rest. A proxy in front may have used the last. */
const ONCE = ['host', 'content-type', 'authorization'];
const LENGTHS = ONCE.map((name) => name.length);

/** Headers that may appear only once, but appear twice. */
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
