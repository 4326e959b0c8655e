import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';

/** Where the photos of the tests were taken, and by whom; none of it may be found in a public file. */
export const PRIVATE = ['GPS-MARK', 'XMP-MARK', 'IPTC-MARK', 'COMMENT-MARK', 'TRAILER-MARK', 'OTHER-MARK'];

const EXIF = { IFD0: { Copyright: 'GPS-MARK' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' } };
const XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/">XMP-MARK</x:xmpmeta>';

/** Four quarters of different colours: whichever way it is turned, it can be told. */
export function quarters(width: number, height: number): Sharp {
  const pixels = Buffer.from([220, 200, 250, 30, 200, 10, 220, 40, 10, 30, 40, 250]);
  const four = sharp(pixels, { raw: { width: 2, height: 2, channels: 3 } });
  return four.resize(width, height, { fit: 'fill', kernel: 'nearest' });
}

/** A photo with place, owner, profile, comments, and a film after its end. */
export async function photo({ orientation = 1, width = 60, height = 40 } = {}): Promise<Buffer> {
  const jpeg = await quarters(width, height)
    .jpeg({ quality: 95 })
    .withMetadata({ orientation, icc: 'p3' })
    .withExifMerge(EXIF)
    .withXmp(XMP)
    .toBuffer();
  const segments = [
    segment(0xed, 'Photoshop 3.0\0IPTC-MARK'),
    segment(0xfe, 'COMMENT-MARK'),
    segment(0xeb, 'OTHER-MARK'),
  ];
  return Buffer.concat([
    jpeg.subarray(0, 2),
    ...segments,
    jpeg.subarray(2),
    Buffer.from('\0\0\0\x18ftypmp42TRAILER-MARK'),
  ]);
}

function segment(marker: number, text: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length + 2);
  return Buffer.concat([Buffer.from([0xff, marker]), length, Buffer.from(text)]);
}

/** A PNG with texts, a place, a time and bytes after its end; `orientation` as in its EXIF. */
export async function pngWithTexts(orientation = 1): Promise<Buffer> {
  const png = await quarters(60, 40)
    .png()
    .withMetadata({ orientation })
    .withExifMerge(EXIF)
    .withXmp(XMP)
    .toBuffer();
  const chunks = [
    pngChunk('tEXt', Buffer.from('Comment\0COMMENT-MARK')),
    pngChunk('zTXt', Buffer.concat([Buffer.from('Author\0\0'), deflateSync('OTHER-MARK')])),
    pngChunk('tIME', Buffer.from([7, 232, 1, 1, 0, 0, 0])),
    pngChunk('prVt', Buffer.from('OTHER-MARK')),
  ];
  return afterPngHead(png, ...chunks);
}

/** Puts chunks between the header and the pixels of a PNG. */
export function afterPngHead(png: Buffer, ...chunks: Buffer[]): Buffer {
  return Buffer.concat([png.subarray(0, 33), ...chunks, png.subarray(33)]);
}

export function pngChunk(type: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  data.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

const FRAMES = 3;

/** Three frames, shown for different times, three times over. */
export async function animation(format: 'gif' | 'webp'): Promise<Buffer> {
  const [width, height] = [40, 30];
  const pixels = Buffer.concat(
    Array.from({ length: FRAMES }, (_, i) => Buffer.alloc(width * height * 3, 60 + i * 80)),
  );
  const raw = { width, height: height * FRAMES, channels: 3, pageHeight: height } as const;
  const film = sharp(pixels, { raw });
  const times = { loop: 3, delay: [100, 200, 300] };
  return await (format === 'gif' ? film.gif(times) : film.webp({ ...times, lossless: true })).toBuffer();
}

/** The animation with a comment and a packet of XMP. */
export async function animationWithComments(format: 'gif' | 'webp'): Promise<Buffer> {
  const plain = await animation(format);
  if (format === 'webp') return webpWithXmp(plain);
  const comment = Buffer.concat([
    Buffer.from([0x21, 0xfe, 12]),
    Buffer.from('COMMENT-MARK'),
    Buffer.alloc(1),
  ]);
  const xmp = Buffer.concat([
    Buffer.from([0x21, 0xff, 11]),
    Buffer.from('XMP DataXMP'),
    Buffer.from([8]),
    Buffer.from('XMP-MARK'),
    Buffer.alloc(1),
  ]);
  return Buffer.concat([plain.subarray(0, -1), comment, xmp, plain.subarray(-1)]);
}

function webpWithXmp(plain: Buffer): Buffer {
  const packet = Buffer.from('XMP-MARK');
  const head = Buffer.alloc(8);
  head.write('XMP ');
  head.writeUInt32LE(packet.length, 4);
  const webp = Buffer.concat([plain, head, packet]);
  webp.writeUInt32LE(webp.length - 8, 4);
  webp.writeUInt8(webp.readUInt8(20) | 0x04, 20);
  return webp;
}
