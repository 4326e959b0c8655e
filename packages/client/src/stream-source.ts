import { unlessAborted } from './abortable.js';
import type { Source } from './platform.js';
import { LocalError } from './upload-error.js';

type Stream = ReadableStream<Uint8Array> | (AsyncIterable<Uint8Array> & { destroy?: () => void });

interface Pieces {
  next(): Promise<IteratorResult<Uint8Array, unknown>>;
  /** Ends the stream, even while a piece is awaited. */
  cancel(): Promise<void>;
}

/** A stream of known length. It keeps only what was read last, so that a chunk can be sent again. */
export class StreamSource implements Source {
  readonly fingerprint = undefined;
  private readonly pieces: Pieces;
  /** The piece that is awaited, also by a later read if this one is stopped. */
  private coming: Promise<IteratorResult<Uint8Array, unknown>> | undefined;
  private held = new Uint8Array();
  /** Position in the stream at which `held` starts. */
  private start = 0;
  private hasEnded = false;

  constructor(
    stream: Stream,
    readonly size: number,
    readonly name: string | undefined,
  ) {
    this.pieces = 'getReader' in stream ? read(stream) : iterate(stream);
  }

  async read(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    if (start < this.start)
      throw new LocalError(
        'source-unreadable',
        'The upload has to start over, but a stream cannot be read twice',
      );
    await this.fill(end, signal);
    this.held = this.held.slice(start - this.start);
    this.start = start;
    return this.held.slice(0, end - start);
  }

  async close(): Promise<void> {
    await this.pieces.cancel();
  }

  private async fill(end: number, signal: AbortSignal | undefined): Promise<void> {
    const pieces = [this.held];
    let reached = this.start + this.held.length;
    try {
      // The last chunk waits for the end of the stream, to notice one that is too long.
      while (reached < end || (end === this.size && !this.hasEnded)) {
        const piece = await this.next(signal);
        if (piece) pieces.push(piece);
        reached += piece?.length ?? 0;
        if (piece ? reached > this.size : reached < end) throw wrongLength(this.size, reached);
      }
    } finally {
      this.held = join(pieces);
    }
  }

  /** @returns undefined at the end */
  private async next(signal: AbortSignal | undefined): Promise<Uint8Array<ArrayBuffer> | undefined> {
    this.coming ??= this.pull();
    const { done = false, value } = await unlessAborted(this.coming, signal);
    this.coming = undefined;
    this.hasEnded = done;
    return done ? undefined : (value as Uint8Array<ArrayBuffer>);
  }

  private async pull(): Promise<IteratorResult<Uint8Array, unknown>> {
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

/** With a reader, because some browsers cannot iterate over a stream. */
function read(stream: ReadableStream<Uint8Array>): Pieces {
  const reader = stream.getReader();
  return {
    next: async () => await reader.read(),
    cancel: async () => await reader.cancel(),
  };
}

function iterate(stream: AsyncIterable<Uint8Array> & { destroy?: () => void }): Pieces {
  const pieces = stream[Symbol.asyncIterator]();
  return {
    next: async () => await pieces.next(),
    cancel: async () => {
      stream.destroy?.();
      // Not awaited, because a generator returns only once it has its next piece.
      pieces.return?.().catch(() => undefined);
    },
  };
}
