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

const HARBOUR =
  Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="1600" height="1200" viewBox="0 0 1600 1200">
  <defs><linearGradient id="dusk" x2="0" y2="1">
    <stop stop-color="#f7b267"/><stop offset=".55" stop-color="#f25c54"/><stop offset="1" stop-color="#1b3a57"/>
  </linearGradient></defs>
  <rect width="1600" height="1200" fill="url(#dusk)"/><circle cx="1120" cy="450" r="130" fill="#ffe8c2"/>
  <path d="M0 800 320 560 610 785 920 500 1600 840V1200H0Z" fill="#16324a"/>
  <path d="M0 960 480 760 960 970 1360 800 1600 920V1200H0Z" fill="#0d2233"/>
</svg>`);

/** A photo that a person may look at, as large as one of a phone of some years ago. */
export async function harbour(): Promise<Buffer> {
  const grain = noise(1600 * 1200 * 3, 'grain').map((byte) => 112 + byte / 8);
  const input = await sharp(grain, { raw: { width: 1600, height: 1200, channels: 3 } })
    .png()
    .toBuffer();
  return await sharp(HARBOUR)
    .composite([{ input, blend: 'soft-light' }])
    .jpeg({ quality: 92 })
    .toBuffer();
}

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
