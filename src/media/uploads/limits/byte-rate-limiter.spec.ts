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

it('remembers a bounded number of keys', () => {
  const many = limiter(1000);
  for (let i = 0; i < 10_001; i++) many.consume(String(i), 1000);
  expect([many.waitMs('0'), many.waitMs('1'), many.waitMs('10000')]).toEqual([0, 1000, 1000]);
});
