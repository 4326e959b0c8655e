import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { md5, Md5 } from '../src/md5.js';

function native(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

describe('md5', () => {
  // RFC 1321, A.5
  it.each([
    ['', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['a', '0cc175b9c0f1b6a831c399e269772661'],
    ['abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
    ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
    [
      '12345678901234567890123456789012345678901234567890123456789012345678901234567890',
      '57edf4a22be3c955ac49da2e2107b67a',
    ],
  ])('of %j is %s', (text, digest) => {
    expect(md5(new TextEncoder().encode(text))).toBe(digest);
  });

  it('is that of node:crypto for every length up to three blocks', () => {
    for (let length = 0; length <= 192; length++) {
      const bytes = new Uint8Array(length).fill(length);
      expect([length, md5(bytes)]).toEqual([length, native(bytes)]);
    }
  });

  it('is the same however the bytes are cut, and wherever they lie in their buffer', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (pieces) => {
        const hash = new Md5();
        for (const piece of pieces) hash.update(new Uint8Array([0, ...piece]).subarray(1));
        expect(hash.digest()).toBe(native(Buffer.concat(pieces)));
      }),
    );
  });
});
