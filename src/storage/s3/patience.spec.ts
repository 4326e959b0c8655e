import { sending } from './patience.js';

/** Of sending three bodies at once at 128 kB/s, about a megabit. */
const sendingMs = (bytes: number) => (3 * bytes) / 128;

it('a body has the time that a slow uplink takes for it, and that of an answer', () => {
  for (const bytes of [2, 8, 50].map((mebibytes) => mebibytes * 1024 * 1024))
    expect(sending(bytes).requestTimeout).toBeGreaterThan(sendingMs(bytes));
});

it('a chunk has no more time than any request: proxies do not wait for longer', () => {
  expect(sending(204_800).requestTimeout).toBe(sending(0).requestTimeout);
});
