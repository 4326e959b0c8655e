import { Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, type Repository } from 'typeorm';
import { Audit, type Caller } from '../../audit/audit.js';
import { Database, type Queryable, type Statement } from '../../database/database.js';
import { Turns } from '../../database/turns.js';
import { hasCode } from '../../errors/has-code.js';
import type { Digest } from '../content/digest/digester.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import type { Content } from '../content/content-inspector.js';
import { Media, type MediaType, type NamedMedia } from './media.entity.js';
import { FileNotFound, MediaNotFound, SearchTooSlow } from './media.errors.js';
import { RememberedMedia } from './remembered-media.js';

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
  /** Text to find in title and description. */
  readonly search?: string;
}

export interface MediaPage {
  /** Of all pages. */
  readonly count: number;
  readonly media: readonly Media[];
}

/** Names of the files of a media item, as columns. */
export interface FilesOfMedia {
  readonly key: string;
  readonly thumbnail_key: string | null;
  /** Of the uploaded bytes, if they still exist. */
  readonly parts: readonly string[];
}

/** Missing fields stay as they are. */
export interface MediaChanges {
  readonly title?: string | null;
  readonly description?: string | null;
}

/** Time limit of one page. Searches that take longer are refused. */
const PAGE_TIMEOUT_MS = 2000;
const QUERY_CANCELED = '57014';

/**
 * Plans each search anew: common texts are found through the index of the owner, rare ones through the trigram index.
 */
const PAGE_SETTINGS: Statement = [
  `SELECT set_config('statement_timeout', $1, true), set_config('plan_cache_mode', 'force_custom_plan', true)`,
  [String(PAGE_TIMEOUT_MS)],
];

/** Reads each row once, and long texts only to search them. */
const PAGE = `
  WITH found AS MATERIALIZED (
    SELECT id FROM media
    WHERE owner_id = $1 AND ($2::text IS NULL OR type = $2)
      AND ($3::text IS NULL OR search LIKE '%' || lower($3 COLLATE "und-x-icu") || '%'))
  SELECT (SELECT count(*)::integer FROM found) AS count,
         ARRAY(SELECT id FROM found ORDER BY id DESC LIMIT $4 OFFSET $5) AS ids`;

/** The columns of NamedMedia. */
const NAMED = {
  key: true,
  addedAt: true,
  title: true,
  mime: true,
  charset: true,
  size: true,
  sha256: true,
  thumbnailKey: true,
  thumbnailSize: true,
} as const satisfies Record<keyof NamedMedia, true>;

/** The finished files of each owner. */
@Injectable()
export class MediaService {
  private readonly logger = new Logger('Media');

  constructor(
    @InjectRepository(Media) private readonly media: Repository<Media>,
    private readonly db: Database,
    private readonly turns: Turns,
    private readonly storage: BlobStorage,
    private readonly audit: Audit,
    private readonly remembered: RememberedMedia,
  ) {}

  /** Inserts the row of a published file, in the transaction that completes its upload. Returns the id. */
  async create(db: Queryable, { session, key, type, digest, content }: NewMedia): Promise<number> {
    const { rows } = await db.query<{ id: number }>(
      `INSERT INTO media (upload_id, owner_id, key, type, title, mime, charset, size, md5, sha256, width,
                          height)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id`,
      [
        session.id,
        session.ownerId,
        key,
        type,
        session.fileName,
        content.type.mime,
        content.charset,
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
    const values = [ownerId, type ?? null, search === undefined ? null : literal(search), limit, offset];
    try {
      const [, page] = await this.turns.run(ownerId, () =>
        this.db.pipelineTransaction<PageRow>(PAGE_SETTINGS, [PAGE, values]),
      );
      const { count, ids } = page?.rows[0] ?? { count: 0, ids: [] };
      return { count, media: await this.media.find({ where: { id: In(ids) }, order: { id: 'DESC' } }) };
    } catch (error) {
      if (search !== undefined && hasCode(error, QUERY_CANCELED)) throw new SearchTooSlow(error);
      throw error;
    }
  }

  /** @throws MediaNotFound, also for somebody else's media */
  async change(ownerId: string, id: number, changes: MediaChanges): Promise<Media> {
    const named = Object.values(changes).some((value) => value !== undefined);
    if (named) await this.media.update({ id, ownerId }, changes);
    const media = await this.get(ownerId, id);
    this.remembered.end(media.key, media.thumbnailKey);
    return media;
  }

  /** For anybody who knows the name, `<key>.<extension>`, which cannot be guessed. @throws FileNotFound */
  async getByFileName(name: string): Promise<NamedMedia> {
    return await this.named('key', name);
  }

  /** Likewise, by the name of its thumbnail. @throws FileNotFound */
  async getByThumbnailName(name: string): Promise<NamedMedia> {
    return await this.named('thumbnailKey', name);
  }

  private async named(column: 'key' | 'thumbnailKey', name: string): Promise<NamedMedia> {
    const key = keyIn(name);
    if (key === undefined) throw new FileNotFound();
    const known = this.remembered.get(key);
    if (known?.[column] === key) return known;
    const media = await this.media.findOne({ select: NAMED, where: { [column]: key } });
    if (!media) throw new FileNotFound();
    this.remembered.add(key, media);
    return media;
  }

  /** Deletes the row, then the files. The sweeper removes what a failure or a crash in between leaves. */
  async delete(caller: Caller, id: number): Promise<void> {
    const files = await this.deleteRow(caller, id);
    await this.removeFiles(files).catch((err: unknown) =>
      this.logger.warn({ err }, 'Files left for the sweeper'),
    );
  }

  /** Returns the names of the files, which no row has any more. @throws MediaNotFound */
  async deleteRow(caller: Pick<Caller, 'id'> & Partial<Caller>, id: number): Promise<FilesOfMedia> {
    // The upload is deleted too, unless its row was removed long before.
    const { rows } = await this.db.query<FilesOfMedia>(
      `DELETE FROM media WHERE id = $1 AND owner_id = $2
       RETURNING key, thumbnail_key, array(SELECT name FROM upload_part WHERE upload_id = media.upload_id) AS parts`,
      [id, caller.id],
    );
    const [row] = rows;
    if (!row) throw new MediaNotFound();
    this.remembered.end(row.key, row.thumbnail_key);
    this.audit.record('media.deleted', caller, { media: id });
    return row;
  }

  async removeFiles({ key, thumbnail_key, parts }: FilesOfMedia): Promise<void> {
    await this.storage.remove('files', key);
    if (thumbnail_key !== null) await this.storage.remove('thumbnails', thumbnail_key);
    await this.storage.removeAll('uploads', parts);
  }
}

interface PageRow {
  /** Of all pages. */
  readonly count: number;
  readonly ids: number[];
}

/** The key of `<key>.<extension>`; undefined for any other name. */
function keyIn(name: string): string | undefined {
  return /^([0-9a-f]{32})(\.[a-z0-9]{1,8})?$/.exec(name)?.[1];
}

/** Escapes a text for LIKE, so that it has no wildcards. */
function literal(text: string): string {
  return text.replace(/[\\%_]/g, String.raw`\$&`);
}
