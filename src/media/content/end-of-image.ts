/** Where an image of one format ends; undefined, or past its bytes, when it does not. */
type Walk = (image: Buffer) => number | undefined;

const WALKS: Readonly<Record<string, Walk>> = {
  'image/jpeg': endOfJpeg,
  'image/png': endOfPng,
  'image/gif': endOfGif,
  'image/webp': endOfWebp,
};

/**
 * Where an image ends, told by the parts it is made of, without decoding any. Undefined for one that does not end: cut
 * short or damaged.
 */
export function endOfImage(image: Buffer, mime: string): number | undefined {
  const end = WALKS[mime]?.(image);
  return end !== undefined && end <= image.length ? end : undefined;
}

const PNG_IEND = 0x49454e44;

/** Chunks of a length, a type, data and a checksum, until IEND. */
function endOfPng(image: Buffer): number | undefined {
  for (let at = 8; at + 12 <= image.length;) {
    const next = at + 12 + image.readUInt32BE(at);
    if (image.readUInt32BE(at + 4) === PNG_IEND) return next;
    at = next;
  }
  return undefined;
}

const GIF_EXTENSION = 0x21;
const GIF_IMAGE = 0x2c;
const GIF_TRAILER = 0x3b;

function endOfGif(image: Buffer): number | undefined {
  for (let at = 13 + colourTable(image[10]); at < image.length;) {
    const block = image[at];
    if (block === GIF_TRAILER) return at + 1;
    if (block === GIF_EXTENSION) at = afterSubBlocks(image, at + 2);
    else if (block === GIF_IMAGE) at = afterSubBlocks(image, at + 11 + colourTable(image[at + 9]));
    else return undefined;
  }
  return undefined;
}

/** Bytes of the table of colours that a byte of flags announces. */
function colourTable(flags = 0): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;
}

/** Sub-blocks of a length and data, until one of length 0. */
function afterSubBlocks(image: Buffer, start: number): number {
  let at = start;
  for (let length = image[at]; length !== 0 && length !== undefined; length = image[at]) at += 1 + length;
  return at + 1;
}

/** RIFF tells its length, and pads an odd one, which not every program does at the end of a file. */
function endOfWebp(image: Buffer): number | undefined {
  if (image.length < 12) return undefined;
  const size = image.readUInt32LE(4);
  return 8 + size === image.length ? 8 + size : 8 + size + (size % 2);
}

const JPEG_EOI = 0xd9;
const JPEG_BARE = [0x01, 0xd8];

/** Segments of a marker, a length and data. Coded bytes may follow: what is no marker in there is skipped. */
function endOfJpeg(image: Buffer): number | undefined {
  for (let at = nextMarker(image, 2); at + 2 <= image.length; at = nextMarker(image, at)) {
    const marker = image[at + 1] ?? 0;
    if (marker === JPEG_EOI) return at + 2;
    if (JPEG_BARE.includes(marker)) at += 2;
    else if (at + 4 > image.length) return undefined;
    else at += 2 + image.readUInt16BE(at + 2);
  }
  return undefined;
}

/** Where the next 0xFF is that is not followed by 0 (a coded 0xFF), a restart marker or another 0xFF (padding). */
function nextMarker(image: Buffer, start: number): number {
  for (let at = start; at < image.length; at++) {
    if (image[at] !== 0xff) continue;
    const next = image[at + 1] ?? 0;
    if (next !== 0 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return at;
  }
  return image.length;
}
