import { Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { Audit, type Caller } from '../../audit/audit.js';
import { Database, type Queryable } from '../../database/database.js';
import type { Digest } from '../../storage/digester.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import type { Content } from '../content/content-inspector.js';
import { Media, type MediaType } from './media.entity.js';
import { FileNotFound, MediaNotFound } from './media.errors.js';

export interface NewMedia {
  readonly session: {
    readonly id: string;
    readonly ownerId: string;
    readonly fileName: string | null;
  };
  /** Name of the file. */
  readonly key: string;
  readonly type: MediaType;
  readonly digest: Digest;
  readonly content: Content;
}

export interface MediaFilter {
  readonly limit: number;
  readonly offset: number;
  readonly type?: MediaType;
  /** Looked for in title and description. */
  readonly search?: string;
}

export interface MediaPage {
  /** Of all pages. */
  readonly count: number;
  readonly media: readonly Media[];
}

/** What is not named stays as it is. */
export interface MediaChanges {
  readonly title?: string | null;
  readonly description?: string | null;
}

// Not LIKE, which has characters of its own; and a collation that knows all letters, whatever the database was made with.
const SEARCH = `
  strpos(lower(coalesce(media.title, '') COLLATE "und-x-icu"), lower(:search COLLATE "und-x-icu")) > 0
  OR strpos(lower(coalesce(media.description, '') COLLATE "und-x-icu"), lower(:search COLLATE "und-x-icu")) > 0`;

/** The finished files of each owner. */
@Injectable()
export class MediaService {
  private readonly logger = new Logger('Media');

  constructor(
    @InjectRepository(Media) private readonly media: Repository<Media>,
    private readonly db: Database,
    private readonly storage: BlobStorage,
    private readonly audit: Audit,
  ) {}

  /** Adds the row of a file that is in place, within the transaction that completes its upload. Returns the id. */
  async create(db: Queryable, { session, key, type, digest, content }: NewMedia): Promise<number> {
    const { rows } = await db.query<{ id: number }>(
      `INSERT INTO media (upload_id, owner_id, key, type, title, mime, size, md5, sha256, width, height,
                          thumbnail_due)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE WHEN $4 <> 'doc' THEN now() END) RETURNING id`,
      [
        session.id,
        session.ownerId,
        key,
        type,
        session.fileName,
        content.type.mime,
        digest.size,
        digest.md5,
        digest.sha256,
        content.image?.width ?? null,
        content.image?.height ?? null,
      ],
    );
    const [row] = rows;
    if (!row) throw new Error('INSERT returned no row');
    return row.id;
  }

  /** @throws MediaNotFound, also for somebody else's media */
  async get(ownerId: string, id: number): Promise<Media> {
    const media = await this.media.findOneBy({ id, ownerId });
    if (!media) throw new MediaNotFound();
    return media;
  }

  /** The owner's media, newest first. */
  async page(ownerId: string, { limit, offset, type, search }: MediaFilter): Promise<MediaPage> {
    const mine = this.media.createQueryBuilder('media').where('media.ownerId = :ownerId', { ownerId });
    if (type !== undefined) mine.andWhere('media.type = :type', { type });
    if (search !== undefined) mine.andWhere(`(${SEARCH})`, { search });
    const page = mine.orderBy('media.id', 'DESC').limit(limit).offset(offset);
    const [media, count] = await page.getManyAndCount();
    return { count, media };
  }

  /** @throws MediaNotFound, also for somebody else's media */
  async change(ownerId: string, id: number, changes: MediaChanges): Promise<Media> {
    const named = Object.values(changes).some((value) => value !== undefined);
    if (named) await this.media.update({ id, ownerId }, changes);
    return await this.get(ownerId, id);
  }

  /** Counts a click, and for a known user the clicks of that user. Nobody is told whether there is such a media. */
  async click(id: number, userId: string | undefined): Promise<void> {
    await this.db.query(
      `WITH clicked AS (UPDATE media SET clicks = clicks + 1 WHERE id = $1 RETURNING id),
         known AS (
           INSERT INTO media_click (media_id, user_id) SELECT id, $2 FROM clicked WHERE $2::text IS NOT NULL
           ON CONFLICT (media_id, user_id) DO UPDATE SET clicks = media_click.clicks + 1, last_at = now())
       SELECT FROM clicked`,
      [id, userId ?? null],
    );
  }

  /** For everybody who knows the name, `<key>.<extension>`: it cannot be guessed. @throws FileNotFound */
  async getByFileName(name: string): Promise<Media> {
    const key = keyIn(name);
    const media = key === undefined ? null : await this.media.findOneBy({ key });
    if (!media) throw new FileNotFound();
    return media;
  }

  /** The key of the thumbnail of that name, while its Media is there. @throws FileNotFound */
  async thumbnailKey(name: string): Promise<string> {
    const thumbnailKey = keyIn(name);
    if (thumbnailKey === undefined || !(await this.media.existsBy({ thumbnailKey })))
      throw new FileNotFound();
    return thumbnailKey;
  }

  /** Row first, then files: a crash in between leaves files that nobody can reach, for the sweeper. */
  async delete(caller: Caller, id: number): Promise<void> {
    // The session goes along, at the end of the statement. It may have been forgotten long before.
    const { rows } = await this.db.query<DeletedRow>(
      `DELETE FROM media WHERE id = $1 AND owner_id = $2
       RETURNING key, thumbnail_key, array(SELECT name FROM upload_part WHERE upload_id = media.upload_id) AS parts`,
      [id, caller.id],
    );
    const [row] = rows;
    if (!row) throw new MediaNotFound();
    this.audit.record('media.deleted', caller, { media: id });
    await this.removeFiles(row).catch((err: unknown) =>
      this.logger.warn({ err }, 'Files left for the sweeper'),
    );
  }

  private async removeFiles({ key, thumbnail_key, parts }: DeletedRow): Promise<void> {
    await this.storage.remove('files', key);
    if (thumbnail_key !== null) await this.storage.remove('thumbnails', thumbnail_key);
    for (const name of parts) await this.storage.remove('uploads', name);
  }
}

interface DeletedRow {
  readonly key: string;
  readonly thumbnail_key: string | null;
  /** What was uploaded, if it is still there. */
  readonly parts: readonly string[];
}

/** Of `<key>.<extension>`; undefined for what cannot be such a name. */
function keyIn(name: string): string | undefined {
  return /^([0-9a-f]{32})(\.[a-z0-9]{1,8})?$/.exec(name)?.[1];
}
