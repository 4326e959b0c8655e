import type { Metadata } from 'sharp';
import { webpParts } from './image-parts.js';
import { jpegScans } from './jpeg-scans.js';

/** What to do with a picture: turn it, make a thumbnail, or check whether it can be decoded. */
export type Purpose = 'turn' | 'shrink' | 'check';

const MEBIBYTE = 1024 * 1024;

/** The file, buffers of the libraries, and the output. */
const FIXED = 16 * MEBIBYTE;

/** Rows and pixels in memory for a picture that is streamed. */
const ROWS = 1000;
const SPARE_PIXELS = 8_000_000;

/**
 * An upper bound for the peak memory of decoding and encoding, computed from the header alone. Measured with the
 * largest and strangest pictures of each format (decisions/011).
 */
export function memoryFor(purpose: Purpose, picture: Buffer, metadata: Metadata): number {
  const { width, height, pageHeight = height, channels, depth } = metadata;
  const pixelBytes = channels * (depth === 'uchar' ? 1 : 2);
  const side = purpose === 'turn' ? Math.max(width, pageHeight) : width;
  const pixels = width * pageHeight;
  const passing = pixelBytes * (ROWS * side + Math.min(pixels, SPARE_PIXELS));
  return FIXED + passing + pixels * bytesPerPixel(purpose, pixelBytes, picture, metadata);
}

/** Memory for everything that cannot be streamed. */
function bytesPerPixel(
  purpose: Purpose,
  pixelBytes: number,
  picture: Buffer,
  { format, isProgressive, hasAlpha }: Metadata,
): number {
  const turning = purpose === 'turn';
  switch (format) {
    case 'jpeg':
      return coefficientBytes(picture) + (turning ? pixelBytes : 0);
    case 'png':
      // Read line by line unless interlaced. Turning needs all of it, and the new file may be as large.
      return pixelBytes * ((isProgressive ? 1 : 0) + (turning ? 2 : 0));
    case 'webp':
      if (isLosslessWebp(picture) || hasAlpha) return turning ? 20 : 5;
      return turning ? 9 : 0;
    default:
      return 2 * pixelBytes;
  }
}

/** Memory for the coefficients of a JPEG with several scans, two bytes each. */
function coefficientBytes(picture: Buffer): number {
  const { collected, samples } = jpegScans(picture);
  return collected ? 2 * samples : 0;
}

export function isLosslessWebp(picture: Buffer): boolean {
  for (const { start } of webpParts(picture)) {
    const type = picture.toString('latin1', start, start + 4);
    if (type === 'VP8 ' || type === 'VP8L') return type === 'VP8L';
  }
  return false;
}
