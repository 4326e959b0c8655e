import { FairSemaphore } from './fair-semaphore.js';

/** A few blocks of memory. Each task uses one, and waits until one is free. */
export class SharedMemory {
  private readonly free: Buffer[] = [];
  private readonly turns: FairSemaphore;
  private readonly bytes: number;

  constructor({ blocks, bytes }: { readonly blocks: number; readonly bytes: number }) {
    this.turns = new FairSemaphore({ slots: blocks });
    this.bytes = bytes;
  }

  /** A block is not used again after a failure, because something may still be reading it. */
  async use<T>(task: (block: Buffer) => Promise<T>): Promise<T> {
    return await this.turns.run('', async () => {
      const block = this.free.pop() ?? Buffer.allocUnsafeSlow(this.bytes);
      const result = await task(block);
      this.free.push(block);
      return result;
    });
  }
}
