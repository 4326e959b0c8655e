import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import { ServerBusy } from './body.errors.js';

/** Blocks that wait for their next use; what is more is left to the garbage collector. */
const MOST_FREE = 64;

/**
 * Memory for chunk requests, a block each. Fresh memory of that size costs the kernel a page fault per 4 KiB, more time
 * than it takes to hand the bytes to the page cache (decisions/005). Their number is what bounds the memory of the process.
 */
@Injectable()
export class BufferPool {
  private readonly free: ArrayBuffer[] = [];
  private readonly taken = new Set<ArrayBufferLike>();
  private readonly blockBytes: number;
  private readonly most: number;

  constructor({ uploads }: Config) {
    this.blockBytes = uploads.requestMaxBytes;
    this.most = uploads.maxInMemory;
  }

  /** @throws ServerBusy when `take` would */
  check(): void {
    if (this.taken.size >= this.most) throw new ServerBusy();
  }

  /**
   * A buffer of `length` bytes, at most those of a block, with whatever an earlier body left in them. Must be given back.
   * @throws ServerBusy when as many are out as there may be
   */
  take(length: number): Buffer {
    this.check();
    const block = this.free.pop() ?? new ArrayBuffer(this.blockBytes);
    this.taken.add(block);
    return Buffer.from(block, 0, length);
  }

  /**
   * Takes back the memory of a buffer, or of a part of it; nothing, if it is not from here. Only when nothing can read it any
   * more: it will hold another client's bytes next.
   */
  giveBack({ buffer }: Buffer): void {
    if (this.taken.delete(buffer) && this.free.length < MOST_FREE) this.free.push(buffer as ArrayBuffer);
  }
}
