import { createHash } from 'node:crypto';
import { noise } from '../../../test/setup/samples.js';
import { Checksum } from '../src/checksum.js';
import { openSource } from '../src/source.js';
import { gate } from './setup/stage.js';

const bytes = noise(3_000_000);
const digest = createHash('md5').update(bytes).digest('hex');

/** @param before each piece is hashed */
function checksum(before: () => Promise<void> = async () => undefined): Checksum {
  return new Checksum(openSource(bytes, {}), async () => {
    const hash = createHash('md5');
    const update = async (piece: Uint8Array) => {
      await before();
      hash.update(piece);
    };
    return { update, digest: () => hash.digest('hex'), close: () => undefined };
  });
}

const piece = (start: number, end: number): [number, Uint8Array] => [start, bytes.subarray(start, end)];

describe('Checksum', () => {
  it('hashes repeats once, and reads again what was not given', async () => {
    const sum = checksum();
    await sum.reach(1_500_000);
    await sum.add(...piece(1_500_000, 1_700_000));
    await sum.add(...piece(1_500_000, 1_700_000));
    await sum.add(...piece(1_600_000, 1_800_000));
    await sum.reach(1_000);
    expect([await sum.digest(), await sum.digest()]).toEqual([digest, digest]);
  });

  it('stops between two pieces, and goes on from there', async () => {
    const stop = new AbortController();
    let pieces = 0;
    const sum = checksum(async () => {
      pieces += 1;
      stop.abort();
    });
    await expect(sum.digest(stop.signal)).rejects.toThrow('aborted');
    expect(pieces).toBe(1);
    expect(await sum.digest()).toBe(digest);
    expect(pieces).toBe(3);
  });

  it('begins anew after what is just being hashed, not in the middle of it', async () => {
    const door = gate();
    const sum = checksum(async () => await door.opened);
    const [added, restarted] = [sum.add(...piece(0, 1_000)), sum.restart()];
    door.open();
    await Promise.all([added, restarted]);
    expect(await sum.digest()).toBe(digest);
  });
});
