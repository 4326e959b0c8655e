import { Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Database, type Queryable } from '../../database/database.js';
import type { Digest } from '../../storage/digester.js';
import { FileStore } from '../../storage/file-store.js';
import { ThumbnailStore } from '../../storage/thumbnail-store.js';
import type { Content } from '../content/content-inspector.js';
import { Media, type MediaType } from './media.entity.js';
import { FileNotFound, MediaNotFound } from './media.errors.js';

export interface NewMedia {
  readonly session: {
    readonly id: string;
    readonly ownerId: string;
    readonly key: string;
    readonly fileName: string | null;
  };
  readonly type: MediaType;
  readonly digest: Digest;
  readonly content: Content;
}

/** The finished files of each owner. */
@Injectable()
export class MediaService {
  private readonly logger = new Logger('Media');

  constructor(
    @InjectRepository(Media) private readonly media: Repository<Media>,
    private readonly db: Database,
    private readonly store: FileStore,
    private readonly thumbnails: ThumbnailStore,
  ) {}

  /** Adds the row of a file that is in place, within the transaction that completes its upload. Returns the id. */
  async create(db: Queryable, { session, type, digest, content }: NewMedia): Promise<number> {
    const { rows } = await db.query<{ id: number }>(
      `INSERT INTO media (upload_id, owner_id, key, type, title, mime, size, md5, sha256, width, height,
                          thumbnail_due)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE WHEN $4 <> 'doc' THEN now() END) RETURNING id`,
      [
        session.id,
        session.ownerId,
        session.key,
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
  async delete(ownerId: string, id: number): Promise<void> {
    const { rows } = await this.db.query<{ key: string; thumbnail_key: string | null }>(
      `DELETE FROM media WHERE id = $1 AND owner_id = $2 RETURNING key, thumbnail_key`,
      [id, ownerId],
    );
    const [row] = rows;
    if (!row) throw new MediaNotFound();
    await this.removeFiles(row.key, row.thumbnail_key).catch((err: unknown) =>
      this.logger.warn({ err }, 'Files left for the sweeper'),
    );
  }

  private async removeFiles(key: string, thumbnailKey: string | null): Promise<void> {
    await this.store.remove(key);
    if (thumbnailKey !== null) await this.thumbnails.remove(thumbnailKey);
  }
}

/** Of `<key>.<extension>`; undefined for what cannot be such a name. */
function keyIn(name: string): string | undefined {
  return /^([0-9a-f]{32})(\.[a-z0-9]{1,8})?$/.exec(name)?.[1];
}
