import type { Source } from './platform.js';
import { LocalError } from './upload-error.js';

/** A stream of known length. It keeps only what was read last, so that a chunk can be sent again. */
export class StreamSource implements Source {
  readonly fingerprint = undefined;
  private readonly pieces: AsyncIterator<Uint8Array>;
  private held = new Uint8Array();
  /** Position in the stream at which `held` starts. */
  private start = 0;

  constructor(
    stream: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>,
    readonly size: number,
    readonly name: string | undefined,
  ) {
    this.pieces = Symbol.asyncIterator in stream ? stream[Symbol.asyncIterator]() : read(stream);
  }

  async read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    if (start < this.start)
      throw new LocalError(
        'source-unreadable',
        'The upload has to start over, but a stream cannot be read twice',
      );
    await this.fill(end);
    this.held = this.held.slice(start - this.start);
    this.start = start;
    return this.held.slice(0, end - start);
  }

  async close(): Promise<void> {
    await this.pieces.return?.();
  }

  private async fill(end: number): Promise<void> {
    const pieces = [this.held];
    let reached = this.start + this.held.length;
    // At the end, reads once more: a stream that is too long may have a piece that ends exactly there.
    while (reached < end || (reached === end && end === this.size)) {
      const { done, value } = await this.next();
      if (done && reached < end) throw wrongLength(this.size, reached);
      if (done) break;
      pieces.push(value as Uint8Array<ArrayBuffer>);
      reached += value.length;
    }
    this.held = join(pieces);
    if (reached > this.size) throw wrongLength(this.size, reached);
  }

  private async next(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.pieces.next();
    } catch (error) {
      throw new LocalError('source-unreadable', 'The stream failed', error);
    }
  }
}

function wrongLength(size: number, reached: number): LocalError {
  return new LocalError('source-changed', `The stream should have ${size} bytes, but has about ${reached}`);
}

function join(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Some browsers cannot iterate over a stream. */
async function* read(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel();
  }
}
