import { randomBytes } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Database, type Queryable } from '../../database/database.js';
import { Jobs, type Attempt } from '../../jobs/jobs.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import { ImageTooCostly } from '../content/content.errors.js';
import { ImageCodec } from './image-codec.js';

const JOB = 'thumbnail';
/** Over three and a half hours, later and later. */
const ATTEMPTS = 10;

interface Order {
  readonly media: number;
}

/** An image that waits for its thumbnail. */
interface Image {
  readonly owner_id: string;
  readonly key: string;
  /** In bytes, as text. */
  readonly size: string;
  /** When its thumbnail is too old to be named: the sweeper may have removed it. */
  readonly deadline: Date;
}

/** Makes the thumbnails of finished images, later than their uploads are answered. */
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
   * Has the thumbnail of an image made, once the transaction commits. Owners take turns: the first image of an owner has the
   * turn that is due now, each further one comes a turn later.
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
      `SELECT owner_id, key, size, now() + interval '2 minutes' AS deadline
       FROM media WHERE id = $1 AND thumbnail_turn IS NOT NULL`,
      [id],
    );
    const [row] = rows;
    const image = row && (await this.storage.read('files', row.key, 0, Number(row.size)));
    if (!image) return;
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
      [id, thumbnail, bytes.length, width, height, color, row.deadline],
    );
    if (rowCount === 0) await this.discard(id, thumbnail);
  }

  /** Its Media was deleted meanwhile, or another process was faster; or this one was too slow and has to try again. */
  private async discard(media: number, thumbnail: string): Promise<void> {
    await this.storage.remove('thumbnails', thumbnail);
    const { rowCount } = await this.db.query(
      `SELECT 1 FROM media WHERE id = $1 AND thumbnail_turn IS NOT NULL`,
      [media],
    );
    if (rowCount === 1) throw new Error('It took too long');
  }
}
