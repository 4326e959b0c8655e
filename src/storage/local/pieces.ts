import { Readable } from 'node:stream';
import { LRUCache } from 'lru-cache';

/** Reads up to `length` bytes from `at` on. */
type Read = (at: number, length: number) => Promise<Buffer>;

/** How much of a file a download keeps in memory while its client does not read. */
const PIECE_BYTES = 112 * 1024;
const SHARED_BYTES = 8 * 1024 * 1024;
const SHARED_MS = 5000;

/** Caches pieces of files, which never change, for other downloads of the same file. */
export class Pieces {
  private readonly shared = new LRUCache<string, Buffer, () => Promise<Buffer>>({
    maxSize: SHARED_BYTES,
    sizeCalculation: ({ length }) => length,
    ttl: SHARED_MS,
    // Pieces that are still being read count as the oldest: without this, many at once abort each other.
    ignoreFetchAbort: true,
    fetchMethod: async (_key, _stale, { context: read }) => {
      const piece = await read();
      return piece.length > 0 ? piece : undefined;
    },
  });

  /** Streams a file from byte `start` to byte `end`, in pieces that are read when they are asked for. */
  stream(path: string, read: Read, start: number, end: number): Readable {
    const { shared } = this;
    let at = start;
    const push = (stream: Readable, piece: Buffer | undefined): void => {
      at += piece?.length ?? 0;
      stream.push(piece ?? null);
    };
    return new Readable({
      // A higher mark would read a piece ahead.
      highWaterMark: 0,
      read() {
        const length = Math.min(PIECE_BYTES, end - at + 1);
        if (length === 0) return void this.push(null);
        const key = `${path} ${at} ${length}`;
        const known = shared.get(key);
        if (known) return push(this, known);
        shared.fetch(key, { context: () => read(at, length) }).then(
          (piece) => push(this, piece),
          (error: Error) => this.destroy(error),
        );
      },
    });
  }
}
