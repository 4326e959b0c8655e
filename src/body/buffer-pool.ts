import { ServerBusy } from './body.errors.js';

/** Slower bodies may be evicted when memory runs out. */
const PATIENT_BYTES_PER_SECOND = 200_000;

/** A body that is being read. */
export interface Reading {
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
  private readonly taken = new Map<ArrayBufferLike, Reading | undefined>();

  /**
   * @param blockBytes the largest body
   * @param most bodies in memory at a time
   * @param mostFree blocks that wait for their next use; what is more is left to the garbage collector
   */
  constructor(
    private readonly blockBytes: number,
    private readonly most: number,
    private readonly mostFree: number,
  ) {}

  /** @throws ServerBusy when `take` would */
  check(): void {
    this.victim();
  }

  /**
   * Returns a buffer of `length` bytes, at most one block, that may contain bytes of an earlier body. Must be given
   * back.
   * @throws ServerBusy if all blocks are in use and none has a slow body
   */
  take(length: number, reading: Reading): Buffer {
    const victim = this.victim();
    if (victim) this.evict(...victim);
    const block = this.free.pop() ?? new ArrayBuffer(this.blockBytes);
    this.taken.set(block, reading);
    return Buffer.from(block, 0, length);
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
    if (this.taken.delete(buffer) && this.free.length < this.mostFree) this.free.push(buffer as ArrayBuffer);
  }

  /** The body that has to be evicted for another one; undefined if there is room. @throws ServerBusy */
  private victim(): [ArrayBufferLike, Reading] | undefined {
    if (this.taken.size < this.most) return undefined;
    const slowest = this.slowest();
    if (!slowest) throw new ServerBusy();
    return slowest;
  }

  /** Leaves the block to the garbage collector, since its holder will give it back again. */
  private evict(block: ArrayBufferLike, reading: Reading): void {
    this.taken.delete(block);
    reading.giveWay();
  }

  /** The slowest of the bodies that have taken too long. */
  private slowest(): [ArrayBufferLike, Reading] | undefined {
    const now = performance.now();
    const patienceMs = (this.blockBytes / PATIENT_BYTES_PER_SECOND) * 1000;
    let slowest: [ArrayBufferLike, Reading] | undefined;
    let lowest = Infinity;
    for (const [block, reading] of this.taken) {
      if (!reading || now - reading.since < patienceMs) continue;
      const rate = reading.length / (now - reading.since);
      if (rate < lowest) [lowest, slowest] = [rate, [block, reading]];
    }
    return slowest;
  }
}
