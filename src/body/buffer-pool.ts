import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';

/** Smaller bodies are served well by the allocator. */
const SMALLEST_BYTES = 64 * 1024;
/** Blocks that wait for their next use; what is more is left to the garbage collector. */
const MOST = 64;

/**
 * Memory for chunk requests. Fresh memory of that size costs the kernel a page fault per 4 KiB, more time than it takes
 * to hand the bytes to the page cache (decisions/005).
 */
@Injectable()
export class BufferPool {
  private readonly free: ArrayBuffer[] = [];
  private readonly blockBytes: number;

  constructor({ uploads }: Config) {
    this.blockBytes = uploads.requestMaxBytes;
  }

  /** A buffer of `length` bytes, with whatever an earlier body left in them. */
  take(length: number): Buffer<ArrayBuffer> {
    if (length < SMALLEST_BYTES || length > this.blockBytes) return Buffer.allocUnsafe(length);
    return Buffer.from(this.free.pop() ?? Buffer.allocUnsafeSlow(this.blockBytes).buffer, 0, length);
  }

  /**
   * Takes back the memory of a buffer, or of a part of it. Once, and only when nothing can read it any more: it will
   * hold another client's bytes next. What is never given back is collected as usual.
   */
  giveBack({ buffer }: Buffer): void {
    if (buffer.byteLength === this.blockBytes && this.free.length < MOST)
      this.free.push(buffer as ArrayBuffer);
  }
}
