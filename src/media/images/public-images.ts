import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { ImageTooCostly } from '../content/content.errors.js';
import { ImageCodec, type ImageFacts } from './image-codec.js';
import { dissect } from './image-parts.js';

/** Photos grow by a fifth. A malicious PNG can grow a thousandfold when it is re-encoded. */
const MAX_GROWTH = 4;

/** The public version of an uploaded image. */
interface PublicImage {
  /** The uploaded buffer itself, if there is no metadata. */
  readonly bytes: Buffer;
  readonly facts: ImageFacts;
}

/** Removes metadata from images: where, when, by whom and with which device they were taken. */
@Injectable()
export class PublicImages {
  constructor(
    private readonly config: Config,
    private readonly codec: ImageCodec,
  ) {}

  /**
   * Cuts out metadata. The picture stays the same bit by bit, unless it has to be turned, which means re-encoding.
   * @throws UnreadableImage, ImageTooCostly
   */
  async of(image: Buffer, facts: ImageFacts, ownerId: string): Promise<PublicImage> {
    const { picture, hasEnd } = dissect(image);
    if (!hasEnd) await this.codec.decodeRows(image, ownerId);
    if (this.config.images.metadata === 'keep') return { bytes: image, facts };
    const bytes = facts.orientation === 1 ? picture : await this.upright(image, ownerId);
    return { bytes, facts: bytes === image ? facts : await this.codec.facts(bytes) };
  }

  private async upright(image: Buffer, ownerId: string): Promise<Buffer> {
    const bytes = await this.codec.upright(image, ownerId);
    if (bytes.length > MAX_GROWTH * this.config.uploads.imageMaxBytes)
      throw new ImageTooCostly(`It grows to ${bytes.length} bytes`);
    return bytes;
  }
}
