import { ServerBusy } from './body.errors.js';

/** Slower bodies may be evicted when memory runs out. */
const PATIENT_BYTES_PER_SECOND = 200_000;

/** A body that is being read. */
export interface IncomingBody {
  /** Start of reading, by `performance.now()`. */
  readonly since: number;
  /** Bytes received so far. */
  readonly length: number;
  /** Takes the memory away. Nothing may be written to it from now on. */
  readonly giveWay: () => void;
}

/**
 * Reused memory for request bodies, one block each. New memory costs a page fault per 4 KiB, which takes longer than
 * writing the bytes to the page cache (decisions/005). The number of blocks bounds the memory of the process.
 */
export class BufferPool {
  private readonly free: ArrayBuffer[] = [];
  /** Blocks in use, each with its body until that is complete. */
  private readonly taken = new Map<ArrayBufferLike, IncomingBody | undefined>();

  /**
   * @param blockBytes the largest body
   * @param maxBlocks bodies in memory at a time
   * @param maxFree blocks that are kept for their next use; further ones are left to the garbage collector
   */
  constructor(
    private readonly blockBytes: number,
    private readonly maxBlocks: number,
    private readonly maxFree: number,
  ) {}

  /** @throws ServerBusy if `take` would */
  check(): void {
    this.victim();
  }

  /**
   * Returns a whole block, which may contain bytes of an earlier body. Must be given back.
   * @throws ServerBusy if all blocks are in use and none has a slow body
   */
  take(body: IncomingBody): Buffer {
    const victim = this.victim();
    if (victim) this.evict(...victim);
    const block = this.free.pop() ?? new ArrayBuffer(this.blockBytes);
    this.taken.set(block, body);
    return Buffer.from(block);
  }

  /** Marks the body as complete, so that it is never evicted. */
  keep({ buffer }: Buffer): void {
    if (this.taken.has(buffer)) this.taken.set(buffer, undefined);
  }

  /**
   * Takes back the block of a buffer or of a part of it; ignores other buffers. Only when nobody reads it any more,
   * because it will contain the bytes of another client next.
   */
  giveBack({ buffer }: Buffer): void {
    if (this.taken.delete(buffer) && this.free.length < this.maxFree) this.free.push(buffer as ArrayBuffer);
  }

  /** The body that has to be evicted for another one; undefined if there is room. @throws ServerBusy */
  private victim(): [ArrayBufferLike, IncomingBody] | undefined {
    if (this.taken.size < this.maxBlocks) return undefined;
    const slowest = this.slowest();
    if (!slowest) throw new ServerBusy();
    return slowest;
  }

  /** Leaves the block to the garbage collector, since its holder will give it back again. */
  private evict(block: ArrayBufferLike, body: IncomingBody): void {
    this.taken.delete(block);
    body.giveWay();
  }

  /** The slowest of the bodies that have taken too long. */
  private slowest(): [ArrayBufferLike, IncomingBody] | undefined {
    const now = performance.now();
    const patienceMs = (this.blockBytes / PATIENT_BYTES_PER_SECOND) * 1000;
    let slowest: [ArrayBufferLike, IncomingBody] | undefined;
    let lowest = Infinity;
    for (const [block, body] of this.taken) {
      if (!body || now - body.since < patienceMs) continue;
      const rate = body.length / (now - body.since);
      if (rate < lowest) [lowest, slowest] = [rate, [block, body]];
    }
    return slowest;
  }
}
