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
  /** How the stored picture lies. Always upright for animations, which nobody turns. */
  readonly orientation: Orientation;
}

export interface Picture {
  readonly bytes: Buffer;
  readonly width: number;
  readonly height: number;
  /** Dominant colour, `#rrggbb`. */
  readonly color: string;
}

/** The largest image takes some three seconds, more where chunks go first; for a thumbnail nobody waits. */
const TIMEOUT_SECONDS: Readonly<Record<Purpose, number>> = { turn: 20, check: 20, shrink: 60 };

/** The thread pool has four threads by default; one is left for files. */
const MOST_AT_A_TIME = 3;

/** By then libvips has started its threads. */
const THREADS_START_MS = 10;

/** Of a JPEG, each of which goes over all pixels. Some ten are usual, and nothing stops a decoder within them. */
const MOST_SCANS = 100;

/** Of the code of a JPEG, before its end. */
const MOST_MISSING_BYTES = 8;

/** Of images that are coded anew: as high as no difference is seen. */
const QUALITY = 90;

/** As fast as the defaults, and photos take a third of the room. */
const PNG = { compressionLevel: 3, adaptiveFiltering: true };

/** Small, and made in half the time of the most effort for a few bytes more. */
const THUMBNAIL = { quality: 80, effort: 1 };

/** What work on an image starts from. */
interface Reading {
  readonly anatomy: Anatomy;
  readonly decoder: Sharp;
  readonly load: (bytes: Buffer, options?: SharpOptions) => Sharp;
}

/**
 * The one way to `sharp`: in other threads, as many images at a time as this process has cores for, within limits of
 * pixels, frames, memory and time. It gets to see pictures alone, never metadata: compressed texts of a PNG can grow from
 * 4 megabytes to 4 gigabytes in it.
 */
@Injectable()
export class ImageCodec {
  /** Images at a time: one for each core that this process has for itself. */
  readonly atOnce: number;
  private readonly gate: FairSemaphore;
  private loaded: ReturnType<typeof loadSharp> | undefined;

  constructor(private readonly config: Config) {
    const cores = Math.floor(availableParallelism() / config.workers);
    this.atOnce = Math.min(Math.max(cores, 1), MOST_AT_A_TIME);
    this.gate = new FairSemaphore({ slots: this.atOnce, amount: config.images.memoryBytes });
  }

  /** Reads only the structure and the header. @throws UnreadableImage for bytes that cannot be shown after all */
  async facts(image: Buffer): Promise<ImageFacts> {
    return await this.reading('check', image, async ({ anatomy, decoder }) => {
      const { format, width, height, pageHeight = height, pages } = await decoder.metadata();
      if ((pages ?? 1) > this.config.images.maxFrames) throw new RangeError(`${pages} frames`);
      if (format === 'jpeg' && jpegScans(anatomy.picture).count > MOST_SCANS) throw new RangeError('Scans');
      const orientation = lie(anatomy, pages);
      return TURNS[orientation].degrees % 180 === 0
        ? { width, height: pageHeight, orientation }
        : { width: pageHeight, height: width, orientation };
    });
  }

  /** The same picture in the same format and colours, turned as its EXIF asks, without metadata. */
  async upright(image: Buffer, ownerId: string): Promise<Buffer> {
    return await this.decoding('turn', image, ownerId, async ({ anatomy, decoder }, metadata) => {
      const { format, space, chromaSubsampling, pages } = metadata;
      const lossless = format === 'webp' && isLosslessWebp(anatomy.picture);
      const { degrees, flop } = TURNS[lie(anatomy, pages)];
      // Colours of print become those of screens, to which their profile does not apply.
      if (space !== 'cmyk') decoder.keepIccProfile().toColourspace(space);
      return await decoder
        .rotate(degrees)
        .flop(flop)
        .jpeg({
          quality: QUALITY,
          chromaSubsampling: chromaSubsampling === '4:2:0' ? '4:2:0' : '4:4:4',
          // Best tables need all coefficients in memory, three times as much, and twice the time, for a tenth of the size.
          optimiseCoding: false,
          force: false,
        })
        .png({ ...PNG, force: false })
        // The least effort takes two thirds of the memory.
        .webp({ quality: QUALITY, lossless, effort: lossless ? 0 : 4, force: false })
        .toBuffer();
    });
  }

  /**
   * Decodes a JPEG that had no end to its last row. A few bytes may be missing with the marker, and no decoder tells how many:
   * so many more like the last ones have to do.
   * @throws UnreadableImage if more is missing
   */
  async decodeRows(image: Buffer, ownerId: string): Promise<void> {
    await this.decoding(
      'check',
      image,
      ownerId,
      async ({ anatomy: { picture }, load }, { width, height }) => {
        const decode = async (bytes: Buffer) =>
          await load(bytes, { failOn: 'warning' })
            .extract({ left: 0, top: 0, width, height })
            .resize({ width: 8, height: 8, fit: 'fill' })
            .raw()
            .toBuffer();
        const [code, end] = [picture.subarray(0, -2), picture.subarray(-2)];
        await decode(picture).catch(() =>
          decode(Buffer.concat([code, code.subarray(-MOST_MISSING_BYTES), end])),
        );
      },
    );
  }

  /** A WebP that fits into a square of `side` pixels, of the first frame, never larger than the image. */
  async thumbnail(image: Buffer, ownerId: string, side: number): Promise<Picture> {
    return await this.decoding('shrink', image, ownerId, async ({ anatomy, decoder, load }, { pages }) => {
      const { degrees, flop } = TURNS[lie(anatomy, pages)];
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

  /** Owners take turns. Nothing is decoded for which the memory would not do. */
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
      return await this.gate.run(ownerId, bytes, async () => {
        setTimeout(lowerImageThreads, THREADS_START_MS).unref();
        return await work(reading, metadata);
      });
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

/** Loaded with the first image: it takes a tenth of a second that a start need not wait for. */
async function loadSharp() {
  const { default: sharp } = await import('sharp');
  sharp.cache(false);
  sharp.concurrency(1);
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

/** How a picture lies. Animations are taken as they are; of an animated PNG `sharp` sees one frame. */
function lie({ picture, exif }: Anatomy, pages = 1): Orientation {
  return pages > 1 || isAnimatedPng(picture) ? 1 : orientationOf(exif);
}

/** The chunk that says so comes before any pixels. */
function isAnimatedPng(picture: Buffer): boolean {
  return picture.subarray(0, Math.max(picture.indexOf('IDAT'), 0)).includes('acTL');
}

/** `stats()` looks at what it is given, so the clear parts are made white before. */
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
