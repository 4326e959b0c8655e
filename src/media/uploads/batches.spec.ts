import { Batches } from './batches.js';

/** Work that ends when it is told to, and what it was given. */
function work() {
  const given: (readonly number[])[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const batches = new Batches((items: readonly number[]) => {
    given.push(items);
    return new Promise<number[]>((resolve, reject) => {
      ends.push((error) => (error ? reject(error) : resolve(items.map((item) => item * 10))));
    });
  });
  return { batches, given, end: (error?: Error) => ends.shift()?.(error) };
}

describe('Batches', () => {
  it('begins at once, and gathers what comes meanwhile', async () => {
    const { batches, given, end } = work();
    const [first, second, third] = [batches.add(1), batches.add(2), batches.add(3)];
    expect(given).toEqual([[1]]);
    end();
    expect(await first).toBe(10);
    expect(given).toEqual([[1], [2, 3]]);
    end();
    expect(await Promise.all([second, third])).toEqual([20, 30]);
  });

  it('fails a batch as a whole, and no other', async () => {
    const { batches, given, end } = work();
    const results = [batches.add(1), batches.add(2), batches.add(3)];
    const outcomes = Promise.allSettled(results);
    end();
    await results[0];
    end(new Error('Away'));
    const late = results[1]?.catch(() => batches.add(4));
    await expect(results[2]).rejects.toThrow('Away');
    await Promise.resolve();
    end();
    expect(await late).toBe(40);
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(given).toEqual([[1], [2, 3], [4]]);
  });
});
