import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { MediaNotFound } from '../library/media.errors.js';
import { MediaService } from '../library/media.service.js';
import { UploadSessions } from '../uploads/sessions/upload-sessions.js';

/** What is stored for a user. */
export interface Holdings {
  readonly uploads: number;
  readonly media: number;
  /** Size of files and thumbnails. */
  readonly bytes: number;
  readonly thumbnails: number;
  /** Number of media items that the user has clicked on. */
  readonly clicks: number;
  readonly events: number;
}

/** What is left of a user. */
export interface Left extends Holdings {
  /** Number of media items whose rows are gone, but not all of their bytes. */
  readonly strays: number;
}

const HOLDINGS = `
  SELECT (SELECT count(*) FROM upload_session WHERE owner_id = $1)::integer AS uploads,
    count(*)::integer AS media, count(thumbnail_key)::integer AS thumbnails,
    coalesce(sum(size + coalesce(thumbnail_size, 0)), 0)::float8 AS bytes,
    (SELECT count(*) FROM media_click WHERE user_id = $1)::integer AS clicks,
    (SELECT count(*) FROM event WHERE owner_id = $1)::integer AS events
  FROM media WHERE owner_id = $1`;

const BATCH = 200;
/** Rounds, because a user who is still signed in may add more. */
const MOST_ROUNDS = 5;

/** Removes everything of a user, rows and files. After a crash, run it again. */
@Injectable()
export class Erasure {
  constructor(
    private readonly db: Database,
    private readonly media: MediaService,
    private readonly sessions: UploadSessions,
  ) {}

  async holdings(userId: string): Promise<Holdings> {
    const { rows } = await this.db.query<Holdings>(HOLDINGS, [userId]);
    return rows[0] as Holdings;
  }

  /** Returns what is left: nothing, unless the user keeps adding more. */
  async erase(userId: string): Promise<Left> {
    let strays = 0;
    for (let round = 1; ; round++) {
      strays += await this.eraseMedia(userId);
      await this.eraseUploads(userId);
      await this.db.query(`DELETE FROM media_click WHERE user_id = $1`, [userId]);
      // Last, because the steps before add events.
      await this.db.query(`DELETE FROM event WHERE owner_id = $1`, [userId]);
      const left = await this.holdings(userId);
      if (isNothing(left) || round === MOST_ROUNDS) return { ...left, strays };
    }
  }

  /** Returns the number of strays. */
  private async eraseMedia(userId: string): Promise<number> {
    let strays = 0;
    for (;;) {
      const { rows } = await this.db.query<{ id: number }>(
        `SELECT id FROM media WHERE owner_id = $1 ORDER BY id DESC LIMIT ${BATCH}`,
        [userId],
      );
      for (const { id } of rows)
        if (!(await this.media.delete({ id: userId }, id).catch(unlessGone))) strays++;
      if (rows.length < BATCH) return strays;
    }
  }

  /** Cancels uploads, then deletes their rows. */
  private async eraseUploads(userId: string): Promise<void> {
    for (;;) {
      const { rows } = await this.db.query<{ id: string }>(
        `SELECT id FROM upload_session WHERE owner_id = $1 AND state <> 'complete' LIMIT ${BATCH}`,
        [userId],
      );
      for (const { id } of rows) {
        await this.sessions.abandon(this.db, id, 'cancelled');
        await this.sessions.clean(id);
        await this.db.query(`DELETE FROM upload_session WHERE id = $1 AND state <> 'complete'`, [id]);
      }
      if (rows.length < BATCH) return;
    }
  }
}

/** The user has deleted it meanwhile. */
function unlessGone(error: unknown): true {
  if (error instanceof MediaNotFound) return true;
  throw error;
}

export function isNothing(holdings: Holdings): boolean {
  return Object.values(holdings).every((count) => count === 0);
}
