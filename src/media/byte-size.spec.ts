import { byteSize } from './byte-size.js';

it.each([
  [1, '1 bytes'],
  [204_800, '200 kB'],
  [5_242_880, '5 MB'],
  [1_600_000, '1.5 MB'],
  [52_428_800, '50 MB'],
  [1024 ** 4, '1024 GB'],
])('%i bytes are %s', (bytes, words) => {
  expect(byteSize(bytes)).toBe(words);
});
