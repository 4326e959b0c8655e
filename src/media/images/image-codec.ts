import { availableParallelism } from 'node:os';
import { Injectable } from '@nestjs/common';
import type { Sharp } from 'sharp';
import { Config } from '../../config/config.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { UnreadableImage } from '../content/content.errors.js';
import { Semaphore } from '../../concurrency/semaphore.js';
import { dissect, type Anatomy } from './image-parts.js';
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

/** An answer to complete has ten seconds. */
const TIMEOUT_SECONDS = 8;

/** The thread pool has four threads by default; one is left for files. */
const MOST_AT_A_TIME = 3;

/** Of what is coded anew: for images as high as no difference is seen, for thumbnails small. */
const QUALITY = { image: 90, thumbnail: 80 };

/**
 * The one way to `sharp`: in other threads, as many images at a time as this process has cores for, within limits of
 * pixels, frames and time. It gets to see pictures alone, never metadata: compressed texts of a PNG can grow from
 * 4 megabytes to 4 gigabytes in it.
 */
@Injectable()
export class ImageCodec {
  private readonly gate: Semaphore;
  private loaded: ReturnType<typeof loadSharp> | undefined;

  constructor(private readonly config: Config) {
    const cores = Math.floor(availableParallelism() / config.workers);
    this.gate = new Semaphore(Math.min(Math.max(cores, 1), MOST_AT_A_TIME));
  }

  /** Reads only the structure and the header. @throws UnreadableImage for bytes that cannot be shown after all */
  async facts(image: Buffer): Promise<ImageFacts> {
    return await this.decoding(image, async (anatomy, decoder) => {
      const { width, height, pageHeight = height, pages } = await decoder.metadata();
      if ((pages ?? 1) > this.config.images.maxFrames) throw new RangeError(`${pages} frames`);
      const orientation = lie(anatomy, pages);
      return TURNS[orientation].degrees % 180 === 0
        ? { width, height: pageHeight, orientation }
        : { width: pageHeight, height: width, orientation };
    });
  }

  /** The same picture in the same format and colours, turned as its EXIF asks, without metadata. */
  async upright(image: Buffer): Promise<Buffer> {
    return await this.decoding(image, async (anatomy, decoder) => {
      const { space, chromaSubsampling, pages } = await decoder.metadata();
      const { degrees, flop } = TURNS[lie(anatomy, pages)];
      // Colours of print become those of screens, to which their profile does not apply.
      if (space !== 'cmyk') decoder.keepIccProfile().toColourspace(space);
      return await decoder
        .rotate(degrees)
        .flop(flop)
        .jpeg({
          quality: QUALITY.image,
          chromaSubsampling: chromaSubsampling === '4:2:0' ? '4:2:0' : '4:4:4',
          // Best tables need all coefficients in memory, three times as much, and twice the time, for a tenth of the size.
          optimiseCoding: false,
          force: false,
        })
        .png({ force: false })
        .webp({ quality: QUALITY.image, lossless: isLosslessWebp(anatomy.picture), force: false })
        .toBuffer();
    });
  }

  /** A WebP that fits into a square of `side` pixels, of the first frame, never larger than the image. */
  async thumbnail(image: Buffer, side: number): Promise<Picture> {
    return await this.decoding(image, async (anatomy, decoder, load) => {
      const { pages } = await decoder.metadata();
      const { degrees, flop } = TURNS[lie(anatomy, pages)];
      const { data, info } = await decoder
        .resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true })
        .rotate(degrees)
        .flop(flop)
        .webp({ quality: QUALITY.thumbnail })
        .toBuffer({ resolveWithObject: true });
      // stats() looks at what it is given, so the clear parts are made white before.
      const opaque = await load(data)
        .flatten({ background: 'white' })
        .png({ compressionLevel: 0 })
        .toBuffer();
      const { dominant } = await load(opaque).stats();
      return { bytes: data, width: info.width, height: info.height, color: hex(dominant) };
    });
  }

  private async decoding<T>(
    image: Buffer,
    work: (anatomy: Anatomy, decoder: Sharp, load: (bytes: Buffer) => Sharp) => Promise<T>,
  ): Promise<T> {
    const sharp = await (this.loaded ??= loadSharp());
    const load = (bytes: Buffer) =>
      sharp(bytes, { limitInputPixels: this.config.images.maxPixels, failOn: 'error' }).timeout({
        seconds: TIMEOUT_SECONDS,
      });
    try {
      const anatomy = dissect(image);
      return await this.gate.run(() => work(anatomy, load(anatomy.picture), load));
    } catch (cause) {
      if (/^timeout/.test((cause as Error).message))
        throw new ServiceUnavailable('The image took too long', cause);
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

function isLosslessWebp(picture: Buffer): boolean {
  return !picture.includes('VP8 ');
}

function hex({ r, g, b }: { r: number; g: number; b: number }): string {
  return `#${Buffer.from([r, g, b]).toString('hex')}`;
}
