import type { IncomingMessage } from 'node:http';
import { ClientGone } from '../errors/client-gone.js';
import { BodyTooLarge, UnsupportedBody } from './body.errors.js';

/** What is read and thrown away so that a client gets its 413 and no reset connection. */
const POLITE_BYTES = 8 * 1024 * 1024;

/**
 * The whole body of a request, in memory.
 * @param allocate where to put a body whose length the head announces; may give more than it is asked for
 * @throws BodyTooLarge before reading when the head says so, else as soon as the bytes do
 * @throws UnsupportedBody for a `Content-Encoding`: offsets count stored bytes, so bodies come as they are
 * @throws ClientGone when the connection ends first
 */
export async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  allocate = Buffer.allocUnsafe,
): Promise<Buffer> {
  const encoding = request.headers['content-encoding'];
  if (encoding && encoding !== 'identity')
    throw new UnsupportedBody('Bodies are taken without Content-Encoding');
  const announced = request.headers['content-length'];
  if (announced === undefined) return await readUnannounced(request, maxBytes);
  if (Number(announced) > maxBytes) throw new BodyTooLarge(maxBytes, Number(announced) > POLITE_BYTES);
  // Node's parser gives exactly as many bytes as Content-Length says, or an error.
  const body = allocate(Number(announced));
  let length = 0;
  await forEachPiece(request, (piece) => void (length += piece.copy(body, length)));
  return body.subarray(0, length);
}

/** A body in `Transfer-Encoding: chunked`, which ends when it ends. */
async function readUnannounced(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  await forEachPiece(request, (piece) => {
    length += piece.length;
    if (length > maxBytes) throw new BodyTooLarge(maxBytes, true);
    pieces.push(piece);
  });
  return Buffer.concat(pieces, length);
}

/**
 * Events, since an async iterator costs a promise for each piece. What `take` throws ends the reading but not the
 * connection, which still has to carry the answer.
 */
function forEachPiece(request: IncomingMessage, take: (piece: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => {
      request.off('data', onData).off('end', onEnd).off('close', onGone);
      end();
    };
    const onData = (piece: Buffer) => {
      try {
        take(piece);
      } catch (error) {
        request.pause();
        settle(() => reject(error as Error));
      }
    };
    const onEnd = () => settle(resolve);
    const onGone = (cause?: Error) =>
      settle(() => reject(new ClientGone('The connection ended in mid-body', { cause })));
    // The listener for errors stays: a request may fail more than once.
    request.on('data', onData).once('end', onEnd).once('error', onGone).once('close', onGone);
  });
}
