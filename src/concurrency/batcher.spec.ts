import { Batcher } from './batcher.js';

/** Work that ends when it is told to, and what it was given. */
function work() {
  const given: (readonly number[])[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const batcher = new Batcher((items: readonly number[]) => {
    given.push(items);
    return new Promise<number[]>((resolve, reject) => {
      ends.push((error) => (error ? reject(error) : resolve(items.map((item) => item * 10))));
    });
  });
  return { batcher, given, end: (error?: Error) => ends.shift()?.(error) };
}

describe('Batcher', () => {
  it('starts at once and collects what arrives in the meantime', async () => {
    const { batcher, given, end } = work();
    const [first, second, third] = [batcher.add(1), batcher.add(2), batcher.add(3)];
    expect(given).toEqual([[1]]);
    end();
    expect(await first).toBe(10);
    expect(given).toEqual([[1], [2, 3]]);
    end();
    expect(await Promise.all([second, third])).toEqual([20, 30]);
  });

  it('fails a whole batch and no other', async () => {
    const { batcher, given, end } = work();
    const results = [batcher.add(1), batcher.add(2), batcher.add(3)];
    const outcomes = Promise.allSettled(results);
    end();
    await results[0];
    end(new Error('Away'));
    const late = results[1]?.catch(() => batcher.add(4));
    await expect(results[2]).rejects.toThrow('Away');
    await Promise.resolve();
    end();
    expect(await late).toBe(40);
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(given).toEqual([[1], [2, 3], [4]]);
  });
});
