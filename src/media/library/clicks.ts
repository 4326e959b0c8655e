import { Injectable } from '@nestjs/common';
import { Batcher } from '../../concurrency/batcher.js';
import { Database } from '../../database/database.js';

/** Locks rows in the order of their ids, so that two servers cannot deadlock. */
const COUNT = `
  WITH clicks AS (SELECT id, user_id FROM unnest($1::integer[], $2::text[]) AS given (id, user_id)),
    locked AS MATERIALIZED (SELECT id FROM media WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE),
    clicked AS (
      UPDATE media SET clicks = clicks + number
      FROM (SELECT id, count(*) AS number FROM clicks JOIN locked USING (id) GROUP BY id) AS added
      WHERE media.id = added.id RETURNING media.id)
  INSERT INTO media_click (media_id, user_id, clicks)
  SELECT id, user_id, count(*) FROM clicks JOIN clicked USING (id) WHERE user_id IS NOT NULL GROUP BY id, user_id
  ORDER BY id, user_id
  ON CONFLICT (media_id, user_id) DO UPDATE SET clicks = media_click.clicks + excluded.clicks, last_at = now()`;

interface Click {
  readonly mediaId: number;
  readonly userId: string | null;
}

/** Counts clicks. Those that arrive while others are being counted share one statement. */
@Injectable()
export class Clicks {
  private readonly batcher = new Batcher((clicks: readonly Click[]) => this.count(clicks));

  constructor(private readonly db: Database) {}

  /** Counts a click, and records the user if known. Does not reveal whether the media item exists. */
  async add(mediaId: number, userId: string | undefined): Promise<void> {
    await this.batcher.add({ mediaId, userId: userId ?? null });
  }

  private async count(clicks: readonly Click[]): Promise<undefined[]> {
    await this.db.query(COUNT, [clicks.map(({ mediaId }) => mediaId), clicks.map(({ userId }) => userId)]);
    return clicks.map(() => undefined);
  }
}
