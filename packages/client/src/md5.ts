const BLOCK_BYTES = 64;
const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
const SINES = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32));

/** Incremental MD5 (RFC 1321). WebCrypto has neither MD5 nor incremental hashing. */
export class Md5 {
  private readonly state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  private readonly words = new Int32Array(16);
  private readonly rest = new Uint8Array(BLOCK_BYTES);
  private length = 0;

  update(bytes: Uint8Array): this {
    const held = this.length % BLOCK_BYTES;
    this.length += bytes.length;
    let at = 0;
    if (held > 0) {
      at = Math.min(BLOCK_BYTES - held, bytes.length);
      this.rest.set(bytes.subarray(0, at), held);
      if (held + at < BLOCK_BYTES) return this;
      this.mix(this.rest, 0);
    }
    for (; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) this.mix(bytes, at);
    this.rest.set(bytes.subarray(at));
    return this;
  }

  /** Returns 32 hex digits. No update may follow. */
  digest(): string {
    const { length } = this;
    const padding = new Uint8Array(((55 - length) & 63) + 9);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, length << 3, true);
    view.setUint32(padding.length - 4, Math.floor(length / 2 ** 29), true);
    this.update(padding);
    const digest = new DataView(new ArrayBuffer(16));
    this.state.forEach((word, i) => digest.setInt32(i * 4, word, true));
    return hexOf(new Uint8Array(digest.buffer));
  }

  private mix(bytes: Uint8Array, at: number): void {
    const { state, words } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, BLOCK_BYTES);
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(i * 4, true);
    let [a, b, c, d] = state as unknown as [number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const sum = (a + scramble(i, b, c, d) + (SINES[i] as number) + (words[wordAt(i)] as number)) | 0;
      const shift = SHIFTS[((i >> 4) << 2) | (i & 3)] as number;
      a = d;
      d = c;
      c = b;
      b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
    }
    [a, b, c, d].forEach((word, i) => (state[i] = (state[i] as number) + word));
  }
}

function scramble(i: number, b: number, c: number, d: number): number {
  if (i < 16) return (b & c) | (~b & d);
  if (i < 32) return (d & b) | (~d & c);
  return i < 48 ? b ^ c ^ d : c ^ (b | ~d);
}

function wordAt(i: number): number {
  if (i < 16) return i;
  if (i < 32) return (5 * i + 1) & 15;
  return (i < 48 ? 3 * i + 5 : 7 * i) & 15;
}

export function md5(bytes: Uint8Array): string {
  return new Md5().update(bytes).digest();
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
