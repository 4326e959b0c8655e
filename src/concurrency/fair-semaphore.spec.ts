import { setImmediate as turn } from 'node:timers/promises';
import { FairSemaphore } from './fair-semaphore.js';

/** Tasks that run until they are let go; `started` has their names in order. */
function tasks(semaphore: FairSemaphore) {
  const started: string[] = [];
  const running = new Map<string, () => void>();
  const add = (name: string, amount = 0) =>
    semaphore.run(
      name.slice(0, 1),
      () => {
        started.push(name);
        return new Promise<void>((resolve) => running.set(name, resolve));
      },
      amount,
    );
  const end = async (name: string) => {
    running.get(name)?.();
    running.delete(name);
    await turn();
  };
  return { started, add, end };
}

describe('FairSemaphore', () => {
  it('runs as many at a time as it has slots', async () => {
    const { started, add, end } = tasks(new FairSemaphore({ slots: 2 }));
    for (const name of ['a1', 'a2', 'a3', 'a4']) void add(name);
    await turn();
    expect(started).toEqual(['a1', 'a2']);
    await end('a1');
    expect(started).toEqual(['a1', 'a2', 'a3']);
  });

  it('gives each owner its turn', async () => {
    const { started, add, end } = tasks(new FairSemaphore({ slots: 1 }));
    for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) void add(name);
    await turn();
    for (const name of ['a1', 'a2', 'b1', 'c1', 'a3']) await end(name);
    expect(started).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2']);
  });

  it('takes no more than there is, and starts nothing before what waits for more', async () => {
    const { started, add, end } = tasks(new FairSemaphore({ slots: 3, amount: 100 }));
    void add('a1', 60);
    void add('b1', 50);
    void add('c1', 10);
    await turn();
    expect(started).toEqual(['a1']);
    await end('a1');
    expect(started).toEqual(['a1', 'b1', 'c1']);
  });

  it('runs no more of one owner than one may', async () => {
    const { started, add, end } = tasks(new FairSemaphore({ slots: 3, slotsPerOwner: 2 }));
    for (const name of ['a1', 'a2', 'a3', 'b1', 'b2']) void add(name);
    await turn();
    expect(started).toEqual(['a1', 'a2', 'b1']);
    await end('b1');
    expect(started).toEqual(['a1', 'a2', 'b1', 'b2']);
    await end('a1');
    expect(started).toEqual(['a1', 'a2', 'b1', 'b2', 'a3']);
  });

  it('goes on after a task that fails', async () => {
    const semaphore = new FairSemaphore({ slots: 1 });
    await expect(semaphore.run('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await semaphore.run('a', () => Promise.resolve('yes'))).toBe('yes');
  });
});
