import { JPEG, jpegParts } from './image-parts.js';

/** How a JPEG is encoded, found without decoding it. */
interface JpegScans {
  readonly count: number;
  /** Samples per pixel: 3 for 4:4:4, 1.5 for 4:2:0. */
  readonly samples: number;
  /** Whether a decoder has to collect the coefficients of several scans. */
  readonly collected: boolean;
}

const FRAMES = [0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf];
const PROGRESSIVE = [0xc2, 0xc6, 0xca, 0xce];

/** A completion needs them twice. */
const known = new WeakMap<Buffer, JpegScans>();

/**
 * @param image must not change afterwards
 * @see https://www.w3.org/Graphics/JPEG/itu-t81.pdf B.2
 * @throws RangeError for an image that is cut short
 */
export function jpegScans(image: Buffer): JpegScans {
  const scans = known.get(image) ?? countScans(image);
  known.set(image, scans);
  return scans;
}

function countScans(image: Buffer): JpegScans {
  const scans: number[] = [];
  let frame: Buffer | undefined;
  for (const { start, end } of jpegParts(image)) {
    if (image[start] !== 0xff || end - start < 8) continue;
    const marker = image.readUInt8(start + 1);
    if (FRAMES.includes(marker)) frame ??= image.subarray(start, end);
    if (marker === JPEG.scan) scans.push(image.readUInt8(start + 4));
  }
  if (!frame) throw new RangeError('A JPEG without a frame');
  const factors = samplingFactors(frame);
  const collected = PROGRESSIVE.includes(frame.readUInt8(1)) || scans.some((in1) => in1 < factors.length);
  return { count: scans.length, samples: samplesPerPixel(factors), collected };
}

/** Horizontal and vertical sampling factors of each component. */
function samplingFactors(frame: Buffer): [number, number][] {
  return Array.from({ length: frame.readUInt8(9) }, (_, i) => {
    const both = frame.readUInt8(11 + 3 * i);
    return [both >> 4, both & 0x0f];
  });
}

function samplesPerPixel(factors: readonly (readonly [number, number])[]): number {
  const max = Math.max(...factors.map(([across]) => across)) * Math.max(...factors.map(([, down]) => down));
  return factors.reduce((sum, [across, down]) => sum + across * down, 0) / max;
}
