import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { ImageTooCostly } from '../content/content.errors.js';
import { ImageCodec, type ImageFacts } from './image-codec.js';
import { dissect } from './image-parts.js';

/** Photos grow by a fifth. A PNG can be made to grow a thousandfold when it is coded anew. */
const MOST_GROWTH = 4;

/** What the public gets of an uploaded image. */
export interface PublicImage {
  /** The very buffer that was uploaded, if it has nothing to hide. */
  readonly bytes: Buffer;
  readonly facts: ImageFacts;
}

/** Takes from images what is not for the public: where and when they were taken, by whom, with what. */
@Injectable()
export class PublicImages {
  constructor(
    private readonly config: Config,
    private readonly codec: ImageCodec,
  ) {}

  /**
   * Metadata is cut out and the picture stays as it is, bit by bit, unless it has to be turned: then it is coded anew.
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
    if (bytes.length > MOST_GROWTH * this.config.uploads.imageMaxBytes)
      throw new ImageTooCostly(`It grows to ${bytes.length} bytes`);
    return bytes;
  }
}
