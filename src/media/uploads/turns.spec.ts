import { Turns } from './turns.js';

it('lets one work at a time for a name, in order, whatever becomes of those before', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const work = (name: string, failure?: Error) => async () => {
    seen.push(`${name} begins`);
    await Promise.resolve();
    seen.push(`${name} ends`);
    if (failure) throw failure;
    return name;
  };
  const [first, second, third, other] = await Promise.allSettled([
    turns.take('a', work('first', new Error('no'))),
    turns.take('a', work('second')),
    turns.take('a', work('third')),
    turns.take('b', work('other')),
  ]);
  expect(first.status).toBe('rejected');
  expect([second, third, other].map(({ status }) => status)).toEqual(Array(3).fill('fulfilled'));
  const of = (name: string) => seen.filter((line) => (name === 'other') === line.startsWith('other'));
  expect(of('a')).toEqual(['first', 'second', 'third'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  expect(seen.indexOf('other begins')).toBeLessThan(seen.indexOf('second begins'));
});

it('forgets a name when nobody waits any more', async () => {
  const turns = new Turns();
  await Promise.all([turns.take('a', async () => 1), turns.take('a', async () => 2)]);
  expect(turns['last'].size).toBe(0);
});
