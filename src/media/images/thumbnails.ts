import { randomBytes } from 'node:crypto';
import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import { ImageTooCostly } from '../content/content.errors.js';
import { ImageCodec } from './image-codec.js';

/** For what another process left behind, or what is to be tried again. */
const POLL_MS = 15_000;
const ATTEMPTS = 5;

/** An image without a thumbnail that is due. */
interface Job {
  readonly id: number;
  readonly owner_id: string;
  readonly key: string;
  /** In bytes, as text. */
  readonly size: string;
  /** When its thumbnail is too old to be named: the sweeper may have removed it. */
  readonly deadline: Date;
}

/**
 * Makes the thumbnails of finished images, later than their uploads are answered. The jobs are columns of `media`, so
 * they are there if and only if the Media is, and survive a restart (decisions/006).
 */
@Injectable()
export class Thumbnails implements OnModuleDestroy {
  private readonly logger = new Logger('Thumbnails');
  private timer: NodeJS.Timeout | undefined;
  private readonly runners = new Set<Promise<void>>();
  /** Whose turn was last. */
  private lastOwner = '';
  private wanted = false;
  private stopping = false;

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly storage: BlobStorage,
    private readonly codec: ImageCodec,
  ) {}

  /** Looks for jobs now, and from now on. */
  start(): void {
    this.timer = setInterval(() => this.nudge(), POLL_MS).unref();
    this.nudge();
  }

  /** There may be a job. */
  nudge(): void {
    this.wanted = true;
    if (this.runners.size === this.codec.atOnce || this.stopping) return;
    const runner = this.makeAll().finally(() => {
      this.runners.delete(runner);
      if (this.wanted) this.nudge();
    });
    this.runners.add(runner);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    await Promise.all(this.runners);
  }

  private async makeAll(): Promise<void> {
    try {
      while (this.wanted && !this.stopping) {
        // Before the look, so that a nudge during it counts.
        this.wanted = false;
        const job = (await this.claim(this.lastOwner)) ?? (await this.claim(''));
        if (!job) continue;
        this.lastOwner = job.owner_id;
        // Where there is one there may be more, for this runner and for others.
        this.nudge();
        await this.attempt(job);
      }
    } catch (err) {
      this.logger.warn({ err }, 'No thumbnails can be made at the moment');
    }
  }

  /**
   * The next job of the next owner who has one. It is put off by the time after which it is tried again, so no other
   * process takes it, and one that a crash cuts short comes back: after a minute, then five, then 25 and two hours, then
   * never.
   */
  private async claim(afterOwner: string): Promise<Job | undefined> {
    const { rows } = await this.db.query<Job>(
      `UPDATE media
       SET thumbnail_attempts = thumbnail_attempts + 1,
           thumbnail_due = CASE WHEN thumbnail_attempts + 1 < ${ATTEMPTS}
             THEN now() + interval '1 minute' * 5 ^ thumbnail_attempts END
       WHERE id = (
         SELECT id FROM media WHERE thumbnail_due <= now() AND owner_id > $1
         ORDER BY owner_id, thumbnail_due LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING id, owner_id, key, size, now() + interval '2 minutes' AS deadline`,
      [afterOwner],
    );
    return rows[0];
  }

  private async attempt(job: Job): Promise<void> {
    try {
      await this.make(job);
    } catch (err) {
      this.logger.warn({ err, media: job.id }, 'A thumbnail could not be made');
      if (err instanceof ImageTooCostly) await this.giveUp(job);
    }
  }

  private async giveUp({ id }: Job): Promise<void> {
    await this.db.query(`UPDATE media SET thumbnail_due = NULL WHERE id = $1`, [id]);
  }

  private async make({ id, owner_id, key, size, deadline }: Job): Promise<void> {
    const image = await this.storage.read('files', key, 0, Number(size));
    if (!image) return;
    const { bytes, width, height, color } = await this.codec.thumbnail(
      image,
      owner_id,
      this.config.images.thumbnailMaxSide,
    );
    const thumbnail = randomBytes(16).toString('hex');
    await this.storage.put('thumbnails', thumbnail, bytes);
    const { rowCount } = await this.db.query(
      `UPDATE media
       SET thumbnail_key = $2, thumbnail_size = $3, thumbnail_width = $4, thumbnail_height = $5,
           thumbnail_color = $6, thumbnail_due = NULL
       WHERE id = $1 AND thumbnail_key IS NULL AND now() < $7`,
      [id, thumbnail, bytes.length, width, height, color, deadline],
    );
    // Deleted meanwhile, or this took so long that another process has tried again.
    if (rowCount === 0) await this.storage.remove('thumbnails', thumbnail);
  }
}
