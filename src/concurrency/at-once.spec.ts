import { setImmediate as turn } from 'node:timers/promises';
import { atOnce } from './at-once.js';

it('works on each item once, on so many at a time', async () => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  await atOnce(3, [1, 2, 3, 4, 5, 6, 7], async (item) => {
    most = Math.max(most, ++running);
    await turn();
    running--;
    done.push(item);
  });
  expect([most, done.sort()]).toEqual([3, [1, 2, 3, 4, 5, 6, 7]]);
  await atOnce(3, [], () => Promise.reject(new Error('no item')));
});

it('fails when none is running any more, and begins none after a failure', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const work = async (item: number) => {
    begun.push(item);
    if (item === 1) throw new Error('no');
    await turn();
    ended.push(item);
  };
  await expect(atOnce(2, [1, 2, 3, 4], work)).rejects.toThrow('no');
  expect([begun, ended]).toEqual([[1, 2], [2]]);
});
