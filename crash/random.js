// @ts-check
import { createCipheriv, createHash } from 'node:crypto';

/** Random numbers from a seed: the same seed gives the same sizes, contents and moments. */
export class Random {
  /** @param {string} seed */
  constructor(seed) {
    this.seed = seed;
    this.state = createHash('sha256').update(seed).digest().readUInt32LE();
  }

  /** In [0, 1); mulberry32. */
  next() {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from `least` to `most`, inclusive. @param {number} least @param {number} most */
  between(least, most) {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** @template T @param {readonly T[]} values @returns {T} */
  pick(values) {
    return /** @type {T} */ (values[this.between(0, values.length - 1)]);
  }
}

const PDF = Buffer.from('%PDF-1.7\n');
/** Smaller files are plain text, because a PDF needs its header. */
const SMALLEST_PDF = 64;

/** The bytes of a file, which depend only on its name. @param {string} name @param {number} total */
export function contentOf(name, total) {
  const key = createHash('sha256').update(name).digest();
  const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(total));
  if (total < SMALLEST_PDF) return Buffer.from(stream.map((byte) => 0x61 + (byte % 26)));
  PDF.copy(stream);
  return stream;
}

/** @param {'md5' | 'sha256'} algorithm @param {Buffer} bytes */
export function digest(algorithm, bytes) {
  return createHash(algorithm).update(bytes).digest('hex');
}
