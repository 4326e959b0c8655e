import sharp from 'sharp';
import { UnreadableImage } from './content.errors.js';

/** The size of an image as a person sees it, in pixels. */
export interface ImageFacts {
  readonly width: number;
  readonly height: number;
}

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

/** EXIF orientations 5 … 8 are turned by a quarter. */
const FIRST_QUARTER_TURN = 5;

/** Reads only the header of the image. @throws UnreadableImage for bytes that cannot be shown after all */
export async function imageFacts(image: Buffer): Promise<ImageFacts> {
  try {
    const { width, height, pageHeight = height, orientation = 1 } = await sharp(image).metadata();
    return orientation < FIRST_QUARTER_TURN
      ? { width, height: pageHeight }
      : { width: pageHeight, height: width };
  } catch (cause) {
    throw new UnreadableImage(cause);
  }
}
