import type { Hash, Source } from './platform.js';

/** Large enough that a file is read quickly, small enough that several at once stay small. */
const READ_BYTES = 1_048_576;

/**
 * The MD5 of a source. Pieces may arrive in any order: repeated ones are hashed once, gaps are read from the source.
 */
export class Checksum {
  private hash: Promise<Hash> | undefined;
  private position = 0;
  private digested: string | undefined;
  /** Hashes one piece at a time, even across interrupted runs. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly source: Source,
    private readonly create: () => Promise<Hash>,
  ) {}

  /** Hashes the bytes before `end` that have not been hashed yet. */
  async reach(end: number, signal?: AbortSignal): Promise<void> {
    await this.inTurn(async () => {
      while (this.position < end) {
        signal?.throwIfAborted();
        const last = Math.min(this.position + READ_BYTES, end);
        await this.update(await this.source.read(this.position, last));
      }
    });
  }

  /** Hashes the bytes at `start`, up to which everything must have been hashed. */
  async add(start: number, bytes: Uint8Array): Promise<void> {
    await this.inTurn(async () => {
      if (start + bytes.length > this.position) await this.update(bytes.subarray(this.position - start));
    });
  }

  async digest(signal?: AbortSignal): Promise<string> {
    await this.reach(this.source.size, signal);
    this.digested ??= await (await this.open()).digest();
    return this.digested;
  }

  /** Starts over, because the bytes may have changed. */
  async restart(): Promise<void> {
    await this.inTurn(async () => {
      this.close();
      this.position = 0;
      this.digested = undefined;
    });
  }

  close(): void {
    void this.hash?.then((hash) => hash.close());
    this.hash = undefined;
  }

  private async update(bytes: Uint8Array): Promise<void> {
    await (await this.open()).update(bytes);
    this.position += bytes.length;
  }

  private async open(): Promise<Hash> {
    return await (this.hash ??= this.create());
  }

  private async inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    await done;
  }
}
