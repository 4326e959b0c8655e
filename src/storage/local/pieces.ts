import { Readable } from 'node:stream';

/** Reads up to `length` bytes from `at` on. */
type Read = (at: number, length: number) => Promise<Buffer>;

/** All of a file that a download keeps in memory while its client does not read. */
const PIECE_BYTES = 48 * 1024;

/** A large read costs little more than a small one. The process keeps so many of them, 4 MB, however many downloads there are. */
const LARGE_BYTES = 240 * 1024;
const MAX_LARGE = 16;

/** How long a client may take for a piece before the rest of its large read is dropped. */
const PATIENCE_MS = 50;

let kept = 0;

/** A file from byte `start` to byte `end`, in pieces that are read when they are asked for. */
export function inPieces(read: Read, start: number, end: number): Readable {
  // With any other mark it would read a piece ahead.
  return Readable.from(pieces(read, start, end), { objectMode: false, highWaterMark: 0 });
}

async function* pieces(read: Read, start: number, end: number): AsyncGenerator<Buffer> {
  const ahead = new ReadAhead((at, length) => read(at, Math.min(length, end - at + 1)));
  try {
    for (let at = start; at <= end;) {
      const piece = await ahead.piece(at);
      if (piece.length === 0) return;
      at += piece.length;
      const drop = setTimeout(() => ahead.drop(), PATIENCE_MS);
      yield piece;
      clearTimeout(drop);
    }
  } finally {
    ahead.drop();
  }
}

/** Reads in large steps while few do, and hands out small pieces. */
class ReadAhead {
  private bytes: Buffer | undefined;

  constructor(private readonly read: Read) {}

  /** The bytes from `at` on, which is where the piece before ended. */
  async piece(at: number): Promise<Buffer> {
    if (!this.bytes) {
      if (kept >= MAX_LARGE) return await this.read(at, PIECE_BYTES);
      kept++;
      this.bytes = Buffer.alloc(0);
      this.bytes = await this.read(at, LARGE_BYTES);
    }
    const { bytes } = this;
    // A copy: a slice would keep all of the large read in memory.
    const piece = Buffer.from(bytes.subarray(0, PIECE_BYTES));
    if (bytes.length > PIECE_BYTES) this.bytes = bytes.subarray(PIECE_BYTES);
    else this.drop();
    return piece;
  }

  /** Forgets what was read and not handed out. */
  drop(): void {
    if (this.bytes) kept--;
    this.bytes = undefined;
  }
}
