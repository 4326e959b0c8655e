import sharp from 'sharp';

/** The size of an image as a person sees it, in pixels. */
export interface ImageFacts {
  readonly width: number;
  readonly height: number;
}

// Formats that are never taken need no loader; the fewer parsers run on hostile bytes, the better.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: [
    'VipsForeignLoadJpegFile',
    'VipsForeignLoadPngFile',
    'VipsForeignLoadNsgifFile',
    'VipsForeignLoadWebpFile',
  ],
});

/** EXIF orientations 5 … 8 are turned by a quarter. */
const FIRST_QUARTER_TURN = 5;

/** Reads only the header of the file. Undefined for bytes that are no image after all. */
export async function imageFacts(path: string): Promise<ImageFacts | undefined> {
  try {
    const { width, height, pageHeight = height, orientation = 1 } = await sharp(path).metadata();
    return orientation < FIRST_QUARTER_TURN
      ? { width, height: pageHeight }
      : { width: pageHeight, height: width };
  } catch {
    return undefined;
  }
}
