import { Pace } from './pace.js';

let now = 5000;
const pace = (bytesPerSecond: number) => new Pace(bytesPerSecond, () => now);

it('a key waits as long as its bytes take at the rate, and others do not', () => {
  const thousand = pace(1000);
  thousand.charge('a', 500);
  thousand.charge('a', 1000);
  expect([thousand.debt('a'), thousand.debt('b')]).toEqual([1500, 0]);
  now += 1000;
  expect(thousand.debt('a')).toBe(500);
  now += 60_000;
  thousand.charge('a', 100);
  expect(thousand.debt('a')).toBe(100);
});

it('nobody waits without a rate', () => {
  const any = pace(0);
  any.charge('a', 1e9);
  expect(any.debt('a')).toBe(0);
});

it('forgets keys that owe nothing', () => {
  const many = pace(1000);
  for (let i = 0; i < 10_000; i++) many.charge(String(i), 1);
  now += 1000;
  many.charge('a', 1);
  expect(many['paidAt'].size).toBe(1);
});
