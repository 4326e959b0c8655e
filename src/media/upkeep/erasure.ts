import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import { MediaNotFound } from '../library/media.errors.js';
import { MediaService, type FilesOfMedia } from '../library/media.service.js';
import { UploadSessions } from '../uploads/sessions/upload-sessions.js';
import { eachRow } from './batches.js';
import { StoreFailures } from './store-failures.js';

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

/** What an erasure has left. */
export interface Erased {
  readonly left: Holdings;
  /** Media items and uploads whose bytes could not be removed, each with the cause. Their rows are left, too. */
  readonly kept: readonly string[];
}

interface MediaRow extends FilesOfMedia {
  readonly id: number;
}

interface UploadRow {
  readonly id: string;
}

const HOLDINGS = `
  SELECT (SELECT count(*) FROM upload_session WHERE owner_id = $1)::integer AS uploads,
    count(*)::integer AS media, count(thumbnail_key)::integer AS thumbnails,
    coalesce(sum(size + coalesce(thumbnail_size, 0)), 0)::float8 AS bytes,
    (SELECT count(*) FROM media_click WHERE user_id = $1)::integer AS clicks,
    (SELECT count(*) FROM event WHERE owner_id = $1)::integer AS events
  FROM media WHERE owner_id = $1`;

const BATCH = 200;
/** Of rows without files. */
const LARGE_BATCH = 1000;
/** Rounds, because a user who is still signed in may add more. */
const MAX_ROUNDS = 5;

const MEDIA = `
  SELECT id, key, thumbnail_key, array(SELECT name FROM upload_part p WHERE p.upload_id = media.upload_id) AS parts
  FROM media WHERE id > $1 AND owner_id = $2 ORDER BY id LIMIT ${BATCH}`;
const UPLOADS = `
  SELECT id FROM upload_session WHERE id > $1 AND owner_id = $2 AND state <> 'complete' ORDER BY id LIMIT ${BATCH}`;
/** Locks rows in the same order as clicks do, so that they cannot deadlock. */
const FORGET_CLICKS = `
  WITH clicked AS MATERIALIZED (
    SELECT media_id FROM media_click WHERE user_id = $1 ORDER BY media_id LIMIT ${LARGE_BATCH} FOR UPDATE)
  DELETE FROM media_click WHERE user_id = $1 AND media_id IN (SELECT media_id FROM clicked)`;
const FORGET_EVENTS = `
  WITH told AS MATERIALIZED (
    SELECT position FROM event WHERE owner_id = $1 ORDER BY position LIMIT ${LARGE_BATCH} FOR UPDATE)
  DELETE FROM event WHERE position IN (SELECT position FROM told)`;

/**
 * Removes everything of a user: files, then their rows, so that the next run finds what a crash or the store has left.
 */
@Injectable()
export class Erasure {
  constructor(
    private readonly db: Database,
    private readonly storage: BlobStorage,
    private readonly media: MediaService,
    private readonly sessions: UploadSessions,
    private readonly failures: StoreFailures,
  ) {}

  async holdings(userId: string): Promise<Holdings> {
    const { rows } = await this.db.query<Holdings>(HOLDINGS, [userId]);
    return rows[0] as Holdings;
  }

  /** Leaves nothing, unless the user keeps adding more or the store keeps something. */
  async erase(userId: string): Promise<Erased> {
    for (let round = 1; ; round++) {
      const kept = [...(await this.eraseMedia(userId)), ...(await this.eraseUploads(userId))];
      await this.eraseRows(FORGET_CLICKS, userId);
      // Last, because the steps before add events.
      await this.eraseRows(FORGET_EVENTS, userId);
      const left = await this.holdings(userId);
      if (isNothing(left) || kept.length > 0 || round === MAX_ROUNDS) return { left, kept };
    }
  }

  private async eraseMedia(userId: string): Promise<string[]> {
    return await this.eraseAll<MediaRow>(MEDIA, 0, userId, 'media', async ({ id, ...files }) => {
      await this.media.removeFiles(files);
      const last = await this.media.deleteRow({ id: userId }, id).catch(unlessGone);
      // Its thumbnail was made meanwhile.
      if (last && last.thumbnail_key !== files.thumbnail_key) await this.media.removeFiles(last);
    });
  }

  /** Cancels each upload first, so that it gets no more parts. */
  private async eraseUploads(userId: string): Promise<string[]> {
    return await this.eraseAll<UploadRow>(UPLOADS, '', userId, 'upload', async ({ id }) => {
      await this.sessions.abandon(this.db, id, 'cancelled');
      const { rows } = await this.db.query<{ name: string }>(
        `SELECT name FROM upload_part JOIN upload_session ON id = upload_id WHERE id = $1 AND state <> 'complete'`,
        [id],
      );
      const names = rows.map(({ name }) => name);
      await this.storage.removeAll('uploads', names);
      await this.db.query(`DELETE FROM upload_session WHERE id = $1 AND state <> 'complete'`, [id]);
    });
  }

  /** Returns what the store keeps, with the causes. */
  private async eraseAll<Row extends { readonly id: number | string }>(
    page: string,
    before: Row['id'],
    userId: string,
    kind: string,
    eraseOne: (row: Row) => Promise<void>,
  ): Promise<string[]> {
    const kept: string[] = [];
    for await (const row of eachRow<Row>(this.db, page, before, BATCH, userId))
      await this.failures.tolerate(
        () => eraseOne(row),
        (cause) => kept.push(`${kind} ${shown(row.id)}: ${cause}`),
      );
    return kept;
  }

  /** In batches, because statements have a time limit. */
  private async eraseRows(statement: string, userId: string): Promise<void> {
    while ((await this.db.query(statement, [userId])).rowCount) continue;
  }
}

/** The user may have deleted it meanwhile. */
function unlessGone(error: unknown): undefined {
  if (!(error instanceof MediaNotFound)) throw error;
}

/** Shortens the id of an upload, because it gives access to it. */
function shown(id: number | string): string {
  return typeof id === 'number' ? String(id) : `${id.slice(0, 8)}…`;
}

export function isNothing(holdings: Holdings): boolean {
  return Object.values(holdings).every((count) => count === 0);
}
