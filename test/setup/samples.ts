import { createCipheriv, createHash } from 'node:crypto';
import sharp from 'sharp';

/** Bytes that look random and are the same in every run: the key stream of a cipher. */
export function noise(length: number, seed = 'noise'): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** A PDF of exactly `length` bytes, as far as anybody looks. */
export function pdf(length: number, seed?: string): Buffer {
  const head = Buffer.from('%PDF-1.7\n%\xE2\xE3\xCF\xD3\n', 'latin1');
  const tail = Buffer.from('\n%%EOF\n');
  if (length < head.length + tail.length) throw new Error('Too short for a PDF');
  return Buffer.concat([head, noise(length - head.length - tail.length, seed), tail]);
}

/** A text of exactly `length` bytes. */
export function text(length: number): Buffer {
  return Buffer.from('All work and no play makes a dull file.\n'.repeat(Math.ceil(length / 40))).subarray(
    0,
    length,
  );
}

/** A photo-like JPEG: noise does not compress away. */
export async function jpeg(width: number, height: number, orientation?: number): Promise<Buffer> {
  const raw = noise(width * height * 3, 'jpeg');
  const image = sharp(raw, { raw: { width, height, channels: 3 } }).jpeg({ quality: 90 });
  return await (orientation ? image.withMetadata({ orientation }) : image).toBuffer();
}

export async function png(width: number, height: number): Promise<Buffer> {
  return await sharp(noise(width * height * 3, 'png'), { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
