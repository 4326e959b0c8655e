import { availableParallelism } from 'node:os';
import { Injectable } from '@nestjs/common';
import type { Metadata, Raw, Sharp, SharpOptions } from 'sharp';
import { Config } from '../../config/config.js';
import { ImageTooCostly, UnreadableImage } from '../content/content.errors.js';
import { FairSemaphore } from '../../concurrency/fair-semaphore.js';
import { isLosslessWebp, memoryFor, type Purpose } from './image-memory.js';
import { dissect, type Anatomy } from './image-parts.js';
import { lowerImageThreads } from './image-threads.js';
import { jpegScans } from './jpeg-scans.js';
import { orientationOf, TURNS, type Orientation } from './orientation.js';

/** An image as a person sees it. */
export interface ImageFacts {
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  /** The orientation of the stored picture. Always upright for animations, which are never turned. */
  readonly orientation: Orientation;
}

interface Picture {
  readonly bytes: Buffer;
  readonly width: number;
  readonly height: number;
  /** Dominant colour, `#rrggbb`. */
  readonly color: string;
}

/** The largest image takes about three seconds, more if chunks have priority. Nobody waits for a thumbnail. */
const TIMEOUT_SECONDS: Readonly<Record<Purpose, number>> = { turn: 20, check: 20, shrink: 60 };

/** The thread pool has four threads by default. One stays free for files. */
const MAX_AT_A_TIME = 3;

/** After this time, libvips has started its threads. */
const THREADS_START_MS = 10;

/**
 * Scans of a JPEG, each of which covers all pixels. About ten are usual. A decoder cannot be interrupted during one.
 */
const MAX_SCANS = 100;

/** Bytes that may be missing before the end marker of a JPEG. */
const MAX_MISSING_BYTES = 8;

/** Quality of re-encoded images, high enough that no difference is visible. */
const QUALITY = 90;

/** As fast as the defaults, and photos take a third of the space. */
const PNG = { compressionLevel: 3, adaptiveFiltering: true };

/** Takes half the time of the highest effort, for a few bytes more. */
const THUMBNAIL = { quality: 80, effort: 1 };

/** An image to be processed. */
interface Reading {
  readonly anatomy: Anatomy;
  readonly decoder: Sharp;
  readonly load: (bytes: Buffer, options?: SharpOptions) => Sharp;
}

/**
 * All use of `sharp`: in other threads, at most as many images at a time as this process has cores, within limits on
 * pixels, frames, memory and time. `sharp` gets pictures without metadata, because it would unpack compressed texts in
 * a PNG from 4 MB to 4 GB.
 */
@Injectable()
export class ImageCodec {
  /** Images at a time: one for each core of this process. */
  readonly atOnce: number;
  private readonly gate: FairSemaphore;
  private loaded: ReturnType<typeof loadSharp> | undefined;

  constructor(private readonly config: Config) {
    const cores = Math.floor(availableParallelism() / config.workers);
    this.atOnce = Math.min(Math.max(cores, 1), MAX_AT_A_TIME);
    this.gate = new FairSemaphore({ slots: this.atOnce, amount: config.images.memoryBytes });
  }

  /** Reads only the structure and the header. @throws UnreadableImage if the image cannot be displayed */
  async facts(image: Buffer): Promise<ImageFacts> {
    return await this.reading('check', image, async ({ anatomy, decoder }) => {
      const { format, width, height, pageHeight = height, pages } = await decoder.metadata();
      if ((pages ?? 1) > this.config.images.maxFrames) throw new RangeError(`${pages} frames`);
      if (format === 'jpeg' && jpegScans(anatomy.picture).count > MAX_SCANS) throw new RangeError('Scans');
      const orientation = storedOrientation(anatomy, pages);
      return TURNS[orientation].degrees % 180 === 0
        ? { width, height: pageHeight, orientation }
        : { width: pageHeight, height: width, orientation };
    });
  }

  /** The same picture in the same format and colors, turned according to its EXIF, without metadata. */
  async upright(image: Buffer, ownerId: string): Promise<Buffer> {
    return await this.decoding('turn', image, ownerId, async ({ anatomy, decoder }, metadata) => {
      const { format, space, chromaSubsampling, pages } = metadata;
      const lossless = format === 'webp' && isLosslessWebp(anatomy.picture);
      const { degrees, flop } = TURNS[storedOrientation(anatomy, pages)];
      // CMYK becomes RGB, to which its profile does not apply.
      if (space !== 'cmyk') decoder.keepIccProfile().toColourspace(space);
      return await decoder
        .rotate(degrees)
        .flop(flop)
        .jpeg({
          quality: QUALITY,
          chromaSubsampling: chromaSubsampling === '4:2:0' ? '4:2:0' : '4:4:4',
          // Optimized tables need all coefficients in memory: three times as much, and twice the time, to save a tenth.
          optimiseCoding: false,
          force: false,
        })
        .png({ ...PNG, force: false })
        // The lowest effort takes two thirds of the memory.
        .webp({ quality: QUALITY, lossless, effort: lossless ? 0 : 4, force: false })
        .toBuffer();
    });
  }

  /**
   * Checks that an image without end marker decodes to its last row. A JPEG may lack a few bytes along with the marker,
   * and no decoder says how many.
   * @throws UnreadableImage if more is missing
   */
  async decodeRows(image: Buffer, ownerId: string): Promise<void> {
    await this.decoding(
      'check',
      image,
      ownerId,
      async ({ anatomy: { picture }, load }, { format, width, height }) => {
        const decode = async (bytes: Buffer) =>
          await load(bytes, { failOn: 'warning' })
            .extract({ left: 0, top: 0, width, height })
            .resize({ width: 8, height: 8, fit: 'fill' })
            .raw()
            .toBuffer();
        const [code, end] = [picture.subarray(0, -2), picture.subarray(-2)];
        await decode(picture).catch((error: unknown) => {
          if (format !== 'jpeg') throw error;
          return decode(Buffer.concat([code, code.subarray(-MAX_MISSING_BYTES), end]));
        });
      },
    );
  }

  /** A WebP of the first frame that fits into a square of `side` pixels, never larger than the image. */
  async thumbnail(image: Buffer, ownerId: string, side: number): Promise<Picture> {
    return await this.decoding('shrink', image, ownerId, async ({ anatomy, decoder, load }, metadata) => {
      const { pages, space, icc } = metadata;
      const { degrees, flop } = TURNS[storedOrientation(anatomy, pages)];
      // `sharp` converts 16-bit images to Display P3, which `toColourspace` would take for sRGB.
      if (space === 'rgb16' && icc) decoder.withIccProfile('srgb', { attach: false });
      const { data: pixels, info } = await decoder
        .resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true })
        .rotate(degrees)
        .flop(flop)
        .toColourspace('srgb')
        .raw()
        .toBuffer({ resolveWithObject: true });
      const bytes = await load(pixels, { raw: info }).webp(THUMBNAIL).toBuffer();
      const color = await dominantColor(pixels, info, load);
      return { bytes, width: info.width, height: info.height, color };
    });
  }

  /** Owners take turns, and images wait until there is enough memory. */
  private async decoding<T>(
    purpose: Purpose,
    image: Buffer,
    ownerId: string,
    work: (reading: Reading, metadata: Metadata) => Promise<T>,
  ): Promise<T> {
    return await this.reading(purpose, image, async (reading) => {
      const metadata = await reading.decoder.metadata();
      const bytes = memoryFor(purpose, reading.anatomy.picture, metadata);
      if (bytes > this.config.images.memoryBytes) throw new ImageTooCostly(`It takes ${bytes} bytes`);
      const task = async () => {
        setTimeout(lowerImageThreads, THREADS_START_MS).unref();
        return await work(reading, metadata);
      };
      return await this.gate.run(ownerId, task, bytes);
    });
  }

  private async reading<T>(
    purpose: Purpose,
    image: Buffer,
    work: (reading: Reading) => Promise<T>,
  ): Promise<T> {
    const sharp = await (this.loaded ??= loadSharp());
    const load = (bytes: Buffer, options?: SharpOptions) =>
      sharp(bytes, { failOn: 'error', ...options, limitInputPixels: this.config.images.maxPixels }).timeout({
        seconds: TIMEOUT_SECONDS[purpose],
      });
    try {
      const anatomy = dissect(image);
      return await work({ anatomy, decoder: load(anatomy.picture), load });
    } catch (cause) {
      if (cause instanceof ImageTooCostly) throw cause;
      if (/^timeout/.test((cause as Error).message)) throw new ImageTooCostly(cause);
      throw new UnreadableImage(cause);
    }
  }
}

/** Loaded with the first image, because loading takes a tenth of a second. */
async function loadSharp() {
  const { default: sharp } = await import('sharp');
  sharp.cache(false);
  sharp.concurrency(1);
  // Blocks loaders of formats that are never accepted: the fewer parsers run on hostile bytes, the better.
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

/** The orientation of a picture. Animations are never turned; `sharp` sees only one frame of an animated PNG. */
function storedOrientation({ picture, exif }: Anatomy, pages = 1): Orientation {
  return pages > 1 || isAnimatedPng(picture) ? 1 : orientationOf(exif);
}

/** The chunk of an animated PNG comes before any pixels. */
function isAnimatedPng(picture: Buffer): boolean {
  return picture.subarray(0, Math.max(picture.indexOf('IDAT'), 0)).includes('acTL');
}

/** Makes transparent parts white first, because `stats()` ignores transparency. */
async function dominantColor(pixels: Buffer, raw: Raw, load: Reading['load']): Promise<string> {
  const { data, info } = await load(pixels, { raw })
    .resize({ width: 64, height: 64, fit: 'inside', withoutEnlargement: true })
    .flatten({ background: 'white' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { dominant } = await load(data, { raw: info }).stats();
  return hex(dominant);
}

function hex({ r, g, b }: { r: number; g: number; b: number }): string {
  return `#${Buffer.from([r, g, b]).toString('hex')}`;
}
