import { ByteRateLimiter } from './byte-rate-limiter.js';

let now = 5000;
const limiter = (bytesPerSecond: number) => new ByteRateLimiter(bytesPerSecond, () => now);

it('a key waits as long as its bytes take at the rate, and others do not', () => {
  const thousand = limiter(1000);
  thousand.consume('a', 500);
  thousand.consume('a', 1000);
  expect([thousand.waitMs('a'), thousand.waitMs('b')]).toEqual([1500, 0]);
  now += 1000;
  expect(thousand.waitMs('a')).toBe(500);
  now += 60_000;
  thousand.consume('a', 100);
  expect(thousand.waitMs('a')).toBe(100);
});

it('nobody waits without a rate', () => {
  const any = limiter(0);
  any.consume('a', 1e9);
  expect(any.waitMs('a')).toBe(0);
});

it('forgets keys that owe nothing', () => {
  const many = limiter(1000);
  for (let i = 0; i < 10_000; i++) many.consume(String(i), 1);
  now += 1000;
  many.consume('a', 1);
  expect(many['paidAt'].size).toBe(1);
});
