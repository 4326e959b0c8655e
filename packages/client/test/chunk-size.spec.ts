import { ChunkSize } from '../src/chunk-size.js';
import { AnswerLost } from '../src/upload-error.js';

const timeout = async () => {
  throw new AnswerLost('timeout', 'No answer');
};

async function timeouts(size: ChunkSize, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await size.learnFrom(timeout).catch(() => undefined);
}

/** The sizes of the next chunks, all of which arrive. */
async function sizes(size: ChunkSize, count: number): Promise<number[]> {
  const seen: number[] = [];
  for (let n = 0; n < count; n++) seen.push(await size.learnFrom(async () => size.bytes));
  return seen;
}

describe('ChunkSize', () => {
  it('halves after a timeout, but not below 16 KiB', async () => {
    const size = new ChunkSize(100_001, 1_000);
    await timeouts(size, 1);
    expect(size.bytes).toBe(50_001);
    await timeouts(size, 9);
    expect(size.bytes).toBe(16_384);
  });

  it('leaves alone what is smaller already', async () => {
    const size = new ChunkSize(1_000, 1_000);
    await timeouts(size, 2);
    expect(size.bytes).toBe(1_000);
  });

  it('grows back with a quick network, as far as it may', async () => {
    const size = new ChunkSize(40_000, 60_000);
    await timeouts(size, 2);
    const each = (bytes: number) => Array<number>(8).fill(bytes);
    expect(await sizes(size, 32)).toEqual([16_384, 32_768, 40_000, 40_000].flatMap(each));
  });

  it('does not grow with a slow network', async () => {
    const size = new ChunkSize(40_000, 0);
    await timeouts(size, 2);
    await sizes(size, 32);
    expect(size.bytes).toBe(16_384);
  });

  it('begins anew, but within the limit of the server', async () => {
    const size = new ChunkSize(100_000, 60_000);
    expect([size.limit(150_000), size.limit(0), size.limit(Number.NaN), size.limit(80_000)]).toEqual([
      ...[false, false, false],
      true,
    ]);
    await timeouts(size, 1);
    expect(size.bytes).toBe(40_000);
    size.reset();
    expect(size.bytes).toBe(80_000);
  });
});
