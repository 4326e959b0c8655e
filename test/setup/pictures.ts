import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { noise } from './samples.js';

/** Each frame is another noise. */
function animation(frames: number): Sharp {
  const [width, height] = [40, 30];
  return sharp(noise(width * height * frames * 3, 'frames'), {
    raw: { width, height: height * frames, channels: 3, pageHeight: height },
  });
}

export const animatedGif = async () =>
  await animation(3)
    .gif({ delay: [100, 100, 100] })
    .toBuffer();
export const animatedWebp = async () =>
  await animation(3)
    .webp({ delay: [100, 100, 100] })
    .toBuffer();

/** As a phone takes it: turned, and with the place in its EXIF. */
export async function photo(width: number, height: number, orientation: number): Promise<Buffer> {
  return await sharp(noise(width * height * 3, 'photo'), { raw: { width, height, channels: 3 } })
    .jpeg()
    .withMetadata({ orientation })
    .withExifMerge({
      IFD3: {
        GPSLatitudeRef: 'N',
        GPSLatitude: '52/1 31/1 12/1',
        GPSLongitudeRef: 'E',
        GPSLongitude: '13/1 24/1 18/1',
      },
    })
    .toBuffer();
}

/** A PNG whose header says what it likes. */
export function pngOfSize(png: Buffer, width: number, height: number): Buffer {
  const copy = Buffer.from(png);
  copy.writeUInt32BE(width, 16);
  copy.writeUInt32BE(height, 20);
  copy.writeUInt32BE(crc32(copy.subarray(12, 29)), 29);
  return copy;
}
