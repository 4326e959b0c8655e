import { KeyedMutex } from './keyed-mutex.js';

it('runs one task at a time for a key, in order, even after one has failed', async () => {
  const mutex = new KeyedMutex();
  const seen: string[] = [];
  const work = (name: string, failure?: Error) => async () => {
    seen.push(`${name} begins`);
    await Promise.resolve();
    seen.push(`${name} ends`);
    if (failure) throw failure;
    return name;
  };
  const [first, second, third, other] = await Promise.allSettled([
    mutex.run('a', work('first', new Error('no'))),
    mutex.run('a', work('second')),
    mutex.run('a', work('third')),
    mutex.run('b', work('other')),
  ]);
  expect(first.status).toBe('rejected');
  expect([second, third, other].map(({ status }) => status)).toEqual(Array(3).fill('fulfilled'));
  const of = (name: string) => seen.filter((line) => (name === 'other') === line.startsWith('other'));
  expect(of('a')).toEqual(['first', 'second', 'third'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  expect(seen.indexOf('other begins')).toBeLessThan(seen.indexOf('second begins'));
});

it('forgets a key that nobody waits for', async () => {
  const mutex = new KeyedMutex();
  await Promise.all([mutex.run('a', async () => 1), mutex.run('a', async () => 2)]);
  expect(mutex['last'].size).toBe(0);
});
