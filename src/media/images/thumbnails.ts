import { randomBytes } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Database, type Queryable } from '../../database/database.js';
import { Jobs, type Attempt } from '../../jobs/jobs.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import { ImageTooCostly } from '../content/content.errors.js';
import { deadlineAfter } from '../deadline.js';
import { ImageCodec } from './image-codec.js';

const JOB = 'thumbnail';
/** Within three and a half hours, with growing delays. */
const ATTEMPTS = 10;

interface Order {
  readonly media: number;
}

/** An image without a thumbnail. */
interface Image {
  readonly owner_id: string;
  readonly key: string;
  /** In bytes, as text. */
  readonly size: string;
  readonly now: Date;
}

/** Makes thumbnails of finished images in the background. */
@Injectable()
export class Thumbnails {
  private readonly logger = new Logger('Thumbnails');

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly storage: BlobStorage,
    private readonly codec: ImageCodec,
    private readonly jobs: Jobs,
  ) {
    jobs.define<Order>(JOB, codec.atOnce, ({ media }, attempt) => this.attempt(media, attempt));
  }

  /**
   * Adds a job for the thumbnail of an image, within the transaction. Owners take turns: the first waiting image of an
   * owner gets the current turn, each further one a later turn.
   */
  async order(db: Queryable, media: number): Promise<void> {
    const { rows } = await db.query<{ thumbnail_turn: number }>(
      `UPDATE media m
       SET thumbnail_turn = least(32767, greatest(
         (SELECT min(thumbnail_turn) FROM media WHERE thumbnail_turn IS NOT NULL),
         (SELECT max(thumbnail_turn) + 1 FROM media WHERE owner_id = m.owner_id AND thumbnail_turn IS NOT NULL), 0))
       WHERE id = $1 RETURNING thumbnail_turn`,
      [media],
    );
    const priority = rows[0]?.thumbnail_turn ?? 0;
    await this.jobs.add(db, JOB, { media } satisfies Order, { priority, maxAttempts: ATTEMPTS });
  }

  private async attempt(media: number, { isLast }: Attempt): Promise<void> {
    try {
      await this.make(media);
    } catch (err) {
      this.logger.warn({ err, media }, 'A thumbnail could not be made');
      if (!isLast && !(err instanceof ImageTooCostly)) throw err;
      await this.db.query(`UPDATE media SET thumbnail_turn = NULL WHERE id = $1`, [media]);
    }
  }

  private async make(id: number): Promise<void> {
    const { rows } = await this.db.query<Image>(
      `SELECT owner_id, key, size, now() AS now
       FROM media WHERE id = $1 AND thumbnail_turn IS NOT NULL`,
      [id],
    );
    const [row] = rows;
    if (!row) return;
    const image = await this.storage.read('files', row.key, 0, Number(row.size));
    // During a move, servers with the old settings do not see the files of the new store yet.
    if (!image) throw new Error('The file is not there');
    const { bytes, width, height, color } = await this.codec.thumbnail(
      image,
      row.owner_id,
      this.config.images.thumbnailMaxSide,
    );
    const thumbnail = randomBytes(16).toString('hex');
    await this.storage.put('thumbnails', thumbnail, bytes);
    const { rowCount } = await this.db.query(
      `UPDATE media
       SET thumbnail_key = $2, thumbnail_size = $3, thumbnail_width = $4, thumbnail_height = $5,
           thumbnail_color = $6, thumbnail_turn = NULL
       WHERE id = $1 AND thumbnail_key IS NULL AND now() < $7`,
      [id, thumbnail, bytes.length, width, height, color, deadlineAfter(row.now)],
    );
    if (rowCount === 0) await this.discard(id, thumbnail);
  }

  /** The media item was deleted meanwhile, another process was faster, or this one was too slow and has to retry. */
  private async discard(media: number, thumbnail: string): Promise<void> {
    await this.storage.remove('thumbnails', thumbnail);
    const { rowCount } = await this.db.query(
      `SELECT 1 FROM media WHERE id = $1 AND thumbnail_turn IS NOT NULL`,
      [media],
    );
    if (rowCount === 1) throw new Error('It took too long');
  }
}
