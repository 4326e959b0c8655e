import { ServerBusy } from './body.errors.js';

/** A body that takes longer than a whole one at this rate has to give way when there is no other memory. */
const PATIENT_BYTES_PER_SECOND = 200_000;

/** A body that comes in. */
export interface Reading {
  /** When its first byte was waited for, by `performance.now()`. */
  readonly since: number;
  /** Bytes that have come. */
  readonly length: number;
  /** Others need the memory more: nothing may be written to it from now on. */
  readonly giveWay: () => void;
}

/**
 * Memory for request bodies, a block each. Fresh memory of that size costs the kernel a page fault per 4 KiB, more time
 * than it takes to hand the bytes to the page cache (decisions/005). Their number is what bounds the memory of the process.
 */
export class BufferPool {
  private readonly free: ArrayBuffer[] = [];
  /** And for whom, until the body is whole. */
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
   * A buffer of `length` bytes, at most those of a block, with whatever an earlier body left in them. Must be given back.
   * @throws ServerBusy when as many are out as there may be, and none of them is slow
   */
  take(length: number, reading: Reading): Buffer {
    const victim = this.victim();
    if (victim) this.evict(...victim);
    const block = this.free.pop() ?? new ArrayBuffer(this.blockBytes);
    this.taken.set(block, reading);
    return Buffer.from(block, 0, length);
  }

  /** The body is whole: it gives way to nobody any more. */
  keep({ buffer }: Buffer): void {
    if (this.taken.has(buffer)) this.taken.set(buffer, undefined);
  }

  /**
   * Takes back the memory of a buffer, or of a part of it; nothing, if it is not from here. Only when nothing can read it any
   * more: it will hold another client's bytes next.
   */
  giveBack({ buffer }: Buffer): void {
    if (this.taken.delete(buffer) && this.free.length < this.mostFree) this.free.push(buffer as ArrayBuffer);
  }

  /** Who would have to give way to another; undefined while there is room. @throws ServerBusy */
  private victim(): [ArrayBufferLike, Reading] | undefined {
    if (this.taken.size < this.most) return undefined;
    const slowest = this.slowest();
    if (!slowest) throw new ServerBusy();
    return slowest;
  }

  /** The block itself goes to the garbage collector, since its holder will give it back once more. */
  private evict(block: ArrayBufferLike, reading: Reading): void {
    this.taken.delete(block);
    reading.giveWay();
  }

  /** Of the bodies that have taken too long, the one that comes in at the lowest rate. */
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
