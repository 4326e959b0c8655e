/** The structure of an image, found without decoding it. */
export interface Anatomy {
  /**
   * Everything needed to display it, unchanged: pixels, palettes, color profiles, frames and their timing. The same
   * buffer as given if there is nothing else. Left out are EXIF, XMP, IPTC, comments and anything after the end of the
   * image.
   */
  readonly picture: Buffer;
  /** The first EXIF block, with the header of its format. */
  readonly exif: Buffer | undefined;
  /**
   * False for a JPEG, PNG or GIF without a whole end marker, which `picture` then has. Pixels of a JPEG or PNG may be
   * missing as well.
   */
  readonly hasEnd: boolean;
  /** The end of the image. */
  readonly end: number;
}

/** Bytes `[start, end)` of an image. */
export interface Part {
  readonly start: number;
  readonly end: number;
  /** `missing`: an end marker that is not in the file, or not all of it. */
  readonly role: 'picture' | 'exif' | 'other' | 'missing';
}

const JPEG_END = Buffer.from('ffd9', 'hex');
const PNG_END = Buffer.from('0000000049454e44ae426082', 'hex');
const GIF_END = Buffer.from('3b', 'hex');
const NEVER_MISSING = Buffer.alloc(0);

/**
 * A megabyte can have a million empty parts, which would block the event loop. Real images have at most thousands: two
 * per frame of an animation, one per 8 kB of a PNG.
 */
const MAX_PARTS = 20_000;

/** Analyzing 5 MB blocks the event loop for about 2 ms, and a completion needs the result four times. */
const known = new WeakMap<Buffer, Anatomy>();

/**
 * Keeps only known parts: anything that cameras and editors add in future counts as metadata.
 * @param image must not change afterwards
 * @throws RangeError for an image that is cut short or of no known format
 */
export function dissect(image: Buffer): Anatomy {
  const remembered = known.get(image);
  if (remembered) return remembered;
  const anatomy = takeApart(image);
  const { picture } = anatomy;
  known.set(image, anatomy);
  // A picture without metadata has the same structure.
  if (picture !== image) known.set(picture, { picture, exif: undefined, hasEnd: true, end: picture.length });
  return anatomy;
}

function takeApart(image: Buffer): Anatomy {
  const { parts, endMarker, mend } = formatOf(image);
  const picture = Buffer.allocUnsafe(image.length + endMarker.length);
  let exif: Buffer | undefined;
  let hasEnd = true;
  let length = 0;
  let last = 0;
  let count = 0;
  for (const { start, end, role } of parts(image)) {
    last = end;
    if (++count > MAX_PARTS) throw new RangeError(`More than ${MAX_PARTS} parts`);
    if (end > image.length) throw new RangeError('The image is cut short');
    if (role === 'missing') {
      length += endMarker.copy(picture, length);
      hasEnd = false;
    }
    if (role === 'picture') length += image.copy(picture, length, start, end);
    if (role === 'exif') exif ??= image.subarray(start, end);
  }
  if (hasEnd && length === image.length) return { picture: image, exif, hasEnd, end: last };
  const rest = picture.subarray(0, length);
  return { picture: mend?.(rest) ?? rest, exif, hasEnd, end: last };
}

interface Format {
  readonly signature: string;
  /** In the order of the file. The last part of a truncated image may end past it. */
  readonly parts: (image: Buffer) => Generator<Part, void>;
  /** Added to a picture where it is missing. */
  readonly endMarker: Buffer;
  /** Corrects, in place, what the format says about removed parts. */
  readonly mend?: (picture: Buffer) => Buffer;
}

const FORMATS: readonly Format[] = [
  { signature: '\xff\xd8', parts: jpegParts, endMarker: JPEG_END },
  { signature: '\x89PNG\r\n\x1a\n', parts: pngParts, endMarker: PNG_END },
  { signature: 'GIF8', parts: gifParts, endMarker: GIF_END },
  { signature: 'RIFF', parts: webpParts, endMarker: NEVER_MISSING, mend: mendWebp },
];

function formatOf(image: Buffer): Format {
  const head = latin1(image, 0, 8);
  const format = FORMATS.find(({ signature }) => head.startsWith(signature));
  if (!format) throw new RangeError('Not an image of a known format');
  return format;
}

export const JPEG = {
  frames: [0xc0, 0xc1, 0xc2],
  scan: 0xda,
  end: 0xd9,
  app0: 0xe0,
  app1: 0xe1,
  app2: 0xe2,
  app14: 0xee,
  app15: 0xef,
  comment: 0xfe,
};

/** @see https://www.w3.org/Graphics/JPEG/itu-t81.pdf B.1 */
export function* jpegParts(image: Buffer): Generator<Part, void> {
  yield { start: 0, end: 2, role: 'picture' };
  let hasFrame = false;
  for (let at = 2; ;) {
    const start = nextMarker(image, at);
    const marker = image.readUInt8(start + 1);
    hasFrame ||= JPEG.frames.includes(marker);
    if (marker === JPEG.end) return yield { start, end: start + 2, role: 'picture' };
    const end = isStandalone(marker) ? start + 2 : start + 2 + image.readUInt16BE(start + 2);
    yield { start, end, role: jpegRole(marker, latin1(image, start + 4, start + 16), end - start) };
    at = end;
    if (marker !== JPEG.scan) continue;
    at = endOfScan(image, end);
    yield { start: end, end: at, role: 'picture' };
    if (at + 1 < image.length) continue;
    if (!hasFrame) throw new RangeError('The image is cut short');
    return yield { start: at, end: image.length, role: 'missing' };
  }
}

/** Skips bytes between segments that are not markers, as decoders do. */
function nextMarker(image: Buffer, from: number): number {
  for (let at = from; at + 1 < image.length; at++) {
    if (image[at] === 0xff && image[at + 1] !== 0xff) return at;
  }
  throw new RangeError('The image is cut short');
}

/** Restart markers and TEM have no length field. */
function isStandalone(marker: number): boolean {
  return (marker >= 0xd0 && marker <= 0xd7) || marker === 0x01;
}

function jpegRole(marker: number, head: string, length: number): Part['role'] {
  if (marker === JPEG.app1 && head.startsWith('Exif\0')) return 'exif';
  const isForApplications = (marker >= JPEG.app0 && marker <= JPEG.app15) || marker === JPEG.comment;
  return !isForApplications || showsJpeg(marker, head, length) ? 'picture' : 'other';
}

/** Pixel shape, color profile and color space. A longer JFIF header has a thumbnail, which editors forget to update. */
function showsJpeg(marker: number, head: string, length: number): boolean {
  if (marker === JPEG.app0) return head.startsWith('JFIF\0') && length === 18;
  if (marker === JPEG.app2) return head.startsWith('ICC_PROFILE\0');
  return marker === JPEG.app14 && head.startsWith('Adobe');
}

/**
 * The end of coded data, in which FF is followed by 00 or a restart marker: the next other marker, or the end of the
 * file.
 */
function endOfScan(image: Buffer, from: number): number {
  // Not indexOf: hostile data may be all FF, and a call for each byte takes a hundred times as long.
  const skew = -image.byteOffset & 3;
  const words = new Uint32Array(image.buffer, image.byteOffset + skew, (image.length - skew) >> 2);
  for (let at = from; at + 1 < image.length; at++) {
    if (image[at] === 0xff) {
      if (isEndOfScan(image[at + 1] ?? 0)) return at;
    } else if (((at + 1 - skew) & 3) === 0) {
      // Four bytes at a time take a quarter of the time.
      let word = (at + 1 - skew) >> 2;
      while (word < words.length && !hasFF(words[word] ?? 0)) word++;
      at = skew + 4 * word - 1;
    }
  }
  return image.at(-1) === 0xff ? image.length - 1 : image.length;
}

/** Whether a byte after FF ends a scan. An FF that belongs to the pixels is followed by 00. */
function isEndOfScan(marker: number): boolean {
  return marker !== 0xff && marker !== 0x00 && !isStandalone(marker);
}

/** Whether one of the four bytes is FF: adding one to its lower seven bits reaches its highest, which is set. */
function hasFF(word: number): boolean {
  return (((word & 0x7f7f7f7f) + 0x01010101) & word & 0x80808080) !== 0;
}

/** The registered PNG chunks that make up the picture. */
const PNG_PICTURE = new Set(
  'IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST pHYs sPLT acTL fcTL fdAT'.split(
    ' ',
  ),
);

/** @see https://www.w3.org/TR/png-3/#5Chunk-layout */
function* pngParts(image: Buffer): Generator<Part, void> {
  yield { start: 0, end: 8, role: 'picture' };
  const seen = new Set<string>();
  for (let start = 8; !seen.has('IEND');) {
    if (seen.has('IDAT') && lacksPngEnd(image, start, seen.has('acTL')))
      return yield { start, end: image.length, role: 'missing' };
    const end = start + 12 + image.readUInt32BE(start);
    const type = latin1(image, start + 4, start + 8);
    yield { start, end, role: type === 'eXIf' ? 'exif' : PNG_PICTURE.has(type) ? 'picture' : 'other' };
    seen.add(type);
    start = end;
  }
}

/**
 * Whether the file ends before or within its last chunk. Browsers show it. No decoder would notice that frames of an
 * animation are missing, so there the chunk must have begun.
 */
function lacksPngEnd(image: Buffer, at: number, isAnimated: boolean): boolean {
  const rest = image.subarray(at);
  const isPart = rest.length < PNG_END.length && PNG_END.subarray(0, rest.length).equals(rest);
  return isPart && (!isAnimated || rest.length >= 8);
}

/** Between two blocks. */
const MAX_ZEROS = 16;

const GIF = { image: 0x2c, extension: 0x21, end: 0x3b, control: 0xf9, application: 0xff };

/** The number of repetitions, under two names, and color profiles. */
const GIF_APPLICATIONS = ['NETSCAPE2.0', 'ANIMEXTS1.0', 'ICCRGBG1012'];

/** @see https://www.w3.org/Graphics/GIF/spec-gif89a.txt */
function* gifParts(image: Buffer): Generator<Part, void> {
  let at = 13 + colourTableLength(image.readUInt8(10));
  yield { start: 0, end: at, role: 'picture' };
  let hasImage = false;
  for (let start = at; ; start = at) {
    // Browsers show it: only its last byte is missing.
    if (hasImage && start === image.length) return yield { start, end: start, role: 'missing' };
    const first = image.readUInt8(start);
    if (first === GIF.end) return yield { start, end: start + 1, role: 'picture' };
    // Some programs write zeros between blocks, and browsers skip them.
    const isGap = hasImage && first === 0;
    const part = isGap ? zeros(image, start) : gifBlock(image, start);
    yield part;
    at = part.end;
    hasImage ||= first === GIF.image;
  }
}

/** An image or an extension. */
function gifBlock(image: Buffer, start: number): Part {
  const isImage = image.readUInt8(start) === GIF.image;
  if (!isImage && image.readUInt8(start) !== GIF.extension) throw new RangeError('Not a block of a GIF');
  const blocks = isImage ? start + 11 + colourTableLength(image.readUInt8(start + 9)) : start + 2;
  const end = endOfBlocks(image, blocks);
  return { start, end, role: isImage || showsGif(image, start) ? 'picture' : 'other' };
}

/** @throws RangeError if there are more than a few: then this is a file of which the rest was never written */
function zeros(image: Buffer, start: number): Part {
  let end = start;
  while (image[end] === 0) end++;
  if (end - start > MAX_ZEROS) throw new RangeError('Zeros in place of a GIF');
  return { start, end, role: 'other' };
}

function showsGif(image: Buffer, extension: number): boolean {
  const label = image.readUInt8(extension + 1);
  const application = latin1(image, extension + 3, extension + 14);
  return label === GIF.control || (label === GIF.application && GIF_APPLICATIONS.includes(application));
}

function colourTableLength(flags: number): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 0x07) + 1) : 0;
}

/** Blocks of up to 255 bytes, the last one empty. */
function endOfBlocks(image: Buffer, from: number): number {
  for (let at = from; at < image.length;) {
    const length = image[at] ?? 0;
    at += length + 1;
    if (length === 0) return at;
  }
  throw new RangeError('The image is cut short');
}

const WEBP_PICTURE = new Set(['VP8 ', 'VP8L', 'VP8X', 'ALPH', 'ANIM', 'ANMF', 'ICCP']);

/** @see https://developers.google.com/speed/webp/docs/riff_container */
export function* webpParts(image: Buffer): Generator<Part, void> {
  const last = 8 + image.readUInt32LE(4);
  if (latin1(image, 8, 12) !== 'WEBP' || last > image.length) throw new RangeError('The image is cut short');
  yield { start: 0, end: 12, role: 'picture' };
  for (let start = 12; start < last;) {
    const type = latin1(image, start, start + 4);
    const length = image.readUInt32LE(start + 4);
    // Some writers do not count, or leave out, the padding byte of the last chunk.
    const end = Math.min(start + 8 + length + (length % 2), Math.max(last, start + 8 + length));
    yield { start, end, role: type === 'EXIF' ? 'exif' : WEBP_PICTURE.has(type) ? 'picture' : 'other' };
    start = end;
  }
}

/** Sets the new length, and clears the flags of EXIF and XMP. */
function mendWebp(picture: Buffer): Buffer {
  picture.writeUInt32LE(picture.length - 8, 4);
  if (latin1(picture, 12, 16) === 'VP8X') picture.writeUInt8(picture.readUInt8(20) & ~0x0c, 20);
  return picture;
}

function latin1(image: Buffer, start: number, end: number): string {
  return image.toString('latin1', start, end);
}
