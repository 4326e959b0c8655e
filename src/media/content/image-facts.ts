import type Sharp from 'sharp';
import { UnreadableImage } from './content.errors.js';

/** The size of an image as a person sees it, in pixels. */
export interface ImageFacts {
  readonly width: number;
  readonly height: number;
}

let loaded: Promise<typeof Sharp> | undefined;

/** Loaded with the first image: it takes a tenth of a second that a start need not wait for. */
async function loadSharp(): Promise<typeof Sharp> {
  const { default: sharp } = await import('sharp');
  // Formats that are never taken need no loader; the fewer parsers run on hostile bytes, the better.
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({
    operation: [
      'VipsForeignLoadJpegBuffer',
      'VipsForeignLoadPngBuffer',
      'VipsForeignLoadNsgifBuffer',
      'VipsForeignLoadWebpBuffer',
    ],
  });
  return sharp;
}

/** EXIF orientations 5 … 8 are turned by a quarter. */
const FIRST_QUARTER_TURN = 5;

/** Reads only the header of the image. @throws UnreadableImage for bytes that cannot be shown after all */
export async function imageFacts(image: Buffer): Promise<ImageFacts> {
  const sharp = await (loaded ??= loadSharp());
  try {
    const { width, height, pageHeight = height, orientation = 1 } = await sharp(image).metadata();
    return orientation < FIRST_QUARTER_TURN
      ? { width, height: pageHeight }
      : { width: pageHeight, height: width };
  } catch (cause) {
    throw new UnreadableImage(cause);
  }
}
