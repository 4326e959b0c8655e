import type { IncomingMessage } from 'node:http';
import { ClientGone } from '../errors/client-gone.js';
import { BodyTooLarge, BodyTooSlow, ServerBusy, UnsupportedBody } from './body.errors.js';
import type { BufferPool, IncomingBody } from './buffer-pool.js';

/** Up to this size, a body that is too large is read and discarded, so that its client gets a 413, not a reset. */
const POLITE_BYTES = 8 * 1024 * 1024;
/** A body gets a block of the pool only after this many bytes, so that trickling ones do not use up the pool. */
export const UNPOOLED_BYTES = 16 * 1024;
/** The minimum rate, and how long it is measured: a phone that changes networks is silent for some seconds. */
const MIN_BYTES_PER_SECOND = 1000;
const PACE_MS = 10_000;

/**
 * Reads the whole body of a request into memory.
 * @param pool for large bodies, with blocks of at least `maxBytes`; the caller must give the body back to it
 * @param advice for clients whose body is too large: what to do instead
 * @throws BodyTooLarge before reading if the head announces too much, else as soon as too much has arrived
 * @throws BodyTooSlow
 * @throws ServerBusy if no block is free, or if this slow body was evicted
 * @throws UnsupportedBody for a `Content-Encoding`: offsets count stored bytes, so bodies must not be compressed
 * @throws ClientGone if the connection ends first
 */
export async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  pool?: BufferPool,
  advice?: string,
): Promise<Buffer> {
  const { 'content-encoding': encoding, 'content-length': announced } = request.headers;
  if (encoding && encoding !== 'identity') throw new UnsupportedBody('Content-Encoding is not supported');
  if (Number(announced) > maxBytes)
    throw new BodyTooLarge(maxBytes, Number(announced) > POLITE_BYTES, advice);
  if (Number(announced) > UNPOOLED_BYTES) pool?.check();
  request.askForBody?.();
  const body = new Body(maxBytes, pool, advice);
  try {
    await forEachPiece(request, body);
    return body.whole();
  } catch (error) {
    body.discard();
    throw error;
  }
}

/** A body that is being read: first as pieces, then in a block. */
class Body implements IncomingBody {
  readonly since = performance.now();
  length = 0;
  giveWay: () => void = () => undefined;
  private pieces: Buffer[] = [];
  private block: Buffer | undefined;

  constructor(
    private readonly maxBytes: number,
    private readonly pool: BufferPool | undefined,
    private readonly advice: string | undefined,
  ) {}

  add(piece: Buffer): void {
    const at = this.length;
    this.length += piece.length;
    if (this.length > this.maxBytes) throw new BodyTooLarge(this.maxBytes, true, this.advice);
    if (this.block) piece.copy(this.block, at);
    else this.pieces.push(piece);
    if (!this.block && this.pool && this.length > UNPOOLED_BYTES) this.move(this.pool);
  }

  whole(): Buffer {
    if (!this.block) return Buffer.concat(this.pieces, this.length);
    this.pool?.keep(this.block);
    return this.block.subarray(0, this.length);
  }

  /** Releases everything: the request and its listeners may exist for as long as the client likes. */
  discard(): void {
    if (this.block) this.pool?.giveBack(this.block);
    this.block = undefined;
    this.pieces = [];
  }

  private move(pool: BufferPool): void {
    this.block = pool.take(this);
    let at = 0;
    for (const piece of this.pieces) at += piece.copy(this.block, at);
    this.pieces = [];
  }
}

/**
 * Reads to the end, with events, since an async iterator costs a promise for each piece. If `body` throws, reading ends
 * but the connection does not, because the response still has to be sent.
 */
function forEachPiece(request: IncomingMessage, body: Body): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => {
      clearInterval(pace);
      request.off('data', onData).off('end', onEnd).off('close', onGone);
      end();
    };
    const fail = (error: unknown) => {
      settle(() => reject(error as Error));
      // Discard the rest, because the next request of the connection comes after it.
      request.resume();
    };
    const onData = (piece: Buffer) => {
      try {
        body.add(piece);
      } catch (error) {
        fail(error);
      }
    };
    body.giveWay = () => fail(new ServerBusy());
    const onEnd = () => settle(resolve);
    const onGone = (cause?: Error) =>
      settle(() => reject(new ClientGone('The connection ended in mid-body', { cause })));
    let before = 0;
    const pace = setInterval(() => {
      const came = body.length - before;
      if (came < (MIN_BYTES_PER_SECOND * PACE_MS) / 1000) fail(new BodyTooSlow(MIN_BYTES_PER_SECOND));
      before = body.length;
    }, PACE_MS).unref();
    // The listener for errors stays: a request may fail more than once.
    request.on('data', onData).once('end', onEnd).once('error', onGone).once('close', onGone);
  });
}
