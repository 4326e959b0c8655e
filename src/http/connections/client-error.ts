import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../../errors/app-error.js';
import { toProblem } from '../../errors/problem.js';
import { afterAnswers } from './pipelining.js';

type Refusal = readonly [status: number, code: string, detail: string];

/** Refusals of Node's parser, by error code. All others mean that the request is not HTTP. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers-too-large', 'The request headers are too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'body-too-large', 'The chunk extensions are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request-timeout', 'The request did not arrive in time'],
};
const CONNECT: Refusal = [400, 'bad-request', 'CONNECT is not supported: this server is not a proxy'];
const MALFORMED: Refusal = [400, 'malformed-request', 'The request is not well-formed HTTP'];

/** How long a client may leave earlier responses unread. */
const STALL_MS = 30_000;
/** Time for a client to read the response and close the connection. */
const LINGER_MS = 1000;

/**
 * Answers bytes that never become a request with a problem, after the responses to all earlier requests.
 * @see https://nodejs.org/api/http.html#event-clienterror
 */
export function answerClientErrors(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    afterAnswers(socket, () => answer(socket, REFUSALS[error.code ?? ''] ?? MALFORMED));
  });
  // Node would close the connection, even if earlier requests are not answered yet.
  server.on('connect', (_request: IncomingMessage, socket: Socket) => {
    // Node removes its listeners, and an error without a listener would end the process.
    socket.on('error', () => undefined);
    socket.setTimeout(STALL_MS, () => socket.destroy());
    afterAnswers(socket, () => answer(socket, CONNECT));
  });
}

/** Writes raw bytes, because there is no response object. */
function answer(socket: Duplex, [status, code, detail]: Refusal): void {
  // An earlier request may have ended the connection with `Connection: close`.
  if (!socket.writable) return;
  const action = status === 408 ? 'resend-chunk' : 'fix-request';
  const body = JSON.stringify(toProblem(new AppError(code, status, detail, { action }), randomUUID()));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    // Without it, pages of other origins see a network error and try again.
    'Access-Control-Allow-Origin: *',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => {
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
}
