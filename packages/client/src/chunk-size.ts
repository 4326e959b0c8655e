import { UploadError } from './upload-error.js';

/** Smaller chunks would spend their time on round trips. */
const LEAST_BYTES = 16_384;
/** How many quick chunks in a row it takes to try larger ones, because each try may cost a timeout. */
const QUICK_IN_A_ROW = 8;

/** How many bytes to send at once: half as many after a timeout, and more again when the network is quick. */
export class ChunkSize {
  bytes: number;
  private quick = 0;

  constructor(
    private maxBytes: number,
    private readonly timeoutMs: number,
  ) {
    this.bytes = maxBytes;
  }

  /** Starts over with the largest chunks. */
  reset(): void {
    this.bytes = this.maxBytes;
  }

  /** @returns whether chunks are smaller now */
  limit(maxBytes: number): boolean {
    if (!(maxBytes >= 1 && maxBytes < this.bytes)) return false;
    this.bytes = this.maxBytes = maxBytes;
    return true;
  }

  /** Sends a chunk, and learns from how long that takes. Other requests say nothing about the size. */
  async learnFrom<Receipt>(send: () => Promise<Receipt>): Promise<Receipt> {
    const since = performance.now();
    try {
      const receipt = await send();
      this.grow(performance.now() - since < this.timeoutMs / 4);
      return receipt;
    } catch (error) {
      if (error instanceof UploadError && error.code === 'timeout') this.shrink();
      throw error;
    }
  }

  private grow(wasQuick: boolean): void {
    this.quick = wasQuick ? this.quick + 1 : 0;
    if (this.quick < QUICK_IN_A_ROW) return;
    this.bytes = Math.min(this.bytes * 2, this.maxBytes);
    this.quick = 0;
  }

  private shrink(): void {
    this.bytes = Math.min(this.bytes, Math.max(LEAST_BYTES, Math.ceil(this.bytes / 2)));
    this.quick = 0;
  }
}
