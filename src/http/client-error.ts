import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../errors/app-error.js';
import { toProblem } from '../errors/problem.js';
import { afterAnswers } from './pipelining.js';

type Refusal = readonly [status: number, code: string, detail: string];

/** What Node's parser refuses, by its error code; the rest is a request that is not HTTP. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers-too-large', 'The request headers are too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'body-too-large', 'The chunk extensions are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request-timeout', 'The request did not arrive in time'],
};
const CONNECT: Refusal = [400, 'bad-request', 'CONNECT is not supported: this server is not a proxy'];
const MALFORMED: Refusal = [400, 'malformed-request', 'The request is not well-formed HTTP'];

/** How long a client may leave the answers before it unread. */
const STALL_MS = 30_000;
/** Time for a client to read the answer and to hang up. */
const LINGER_MS = 1000;

/**
 * Answers, as a problem like any other, what never becomes a request; after the requests that came before it.
 * @see https://nodejs.org/api/http.html#event-clienterror
 */
export function answerClientErrors(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    afterAnswers(socket, () => answer(socket, REFUSALS[error.code ?? ''] ?? MALFORMED));
  });
  // Node would hang up, whatever is yet to be answered.
  server.on('connect', (_request: IncomingMessage, socket: Socket) => {
    // It lets go of the socket, whose errors would end the process.
    socket.on('error', () => undefined);
    socket.setTimeout(STALL_MS, () => socket.destroy());
    afterAnswers(socket, () => answer(socket, CONNECT));
  });
}

/** There is no response object, hence the bytes by hand. */
function answer(socket: Duplex, [status, code, detail]: Refusal): void {
  // The last of the requests before it may have been the last of all: `Connection: close`.
  if (!socket.writable) return;
  const action = status === 408 ? 'resend-chunk' : 'fix-request';
  const body = JSON.stringify(toProblem(new AppError(code, status, detail, { action }), randomUUID()));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => {
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
}
