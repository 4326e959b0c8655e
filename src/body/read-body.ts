import type { IncomingMessage } from 'node:http';
import { ClientGone } from '../errors/client-gone.js';
import { BodyTooLarge, UnsupportedBody } from './body.errors.js';

/** What is read and thrown away so that a client gets its 413 and no reset connection. */
const POLITE_BYTES = 8 * 1024 * 1024;

/**
 * The whole body of a request, in memory.
 * @throws BodyTooLarge before reading when the head says so, else as soon as the bytes do
 * @throws UnsupportedBody for a `Content-Encoding`: offsets count stored bytes, so bodies come as they are
 * @throws ClientGone when the connection ends first
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const encoding = request.headers['content-encoding'];
  if (encoding && encoding !== 'identity')
    throw new UnsupportedBody('Bodies are taken without Content-Encoding');
  const announced = request.headers['content-length'];
  if (announced === undefined) return await readUnannounced(request, maxBytes);
  if (Number(announced) > maxBytes) throw new BodyTooLarge(maxBytes, Number(announced) > POLITE_BYTES);
  // Node's parser gives exactly as many bytes as Content-Length says, or an error.
  const body = Buffer.allocUnsafeSlow(Number(announced));
  let length = 0;
  for await (const piece of piecesOf(request)) length += piece.copy(body, length);
  return body;
}

/** A body in `Transfer-Encoding: chunked`, which ends when it ends. */
async function readUnannounced(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of piecesOf(request)) {
    length += piece.length;
    if (length > maxBytes) throw new BodyTooLarge(maxBytes, true);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, length);
}

async function* piecesOf(request: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    // Leaving the loop early must not destroy the request: its socket still has to carry the answer.
    for await (const piece of request.iterator({ destroyOnReturn: false })) yield piece as Buffer;
  } catch (cause) {
    throw new ClientGone('The connection ended in mid-body', { cause });
  }
}
