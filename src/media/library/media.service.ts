import { Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Database, type Queryable } from '../../database/database.js';
import type { Digest } from '../../storage/digester.js';
import { FileStore } from '../../storage/file-store.js';
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
  ) {}

  /** Adds the row of a file that is in place, within the transaction that completes its upload. Returns the id. */
  async create(db: Queryable, { session, type, digest, content }: NewMedia): Promise<number> {
    const { rows } = await db.query<{ id: number }>(
      `INSERT INTO media (upload_id, owner_id, key, type, title, mime, size, md5, sha256, width, height)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`,
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
    const key = /^([0-9a-f]{32})(\.[a-z0-9]{1,8})?$/.exec(name)?.[1];
    const media = key === undefined ? null : await this.media.findOneBy({ key });
    if (!media) throw new FileNotFound();
    return media;
  }

  /** Row first, then file: a crash in between leaves a file that nobody can reach, for the sweeper. */
  async delete(ownerId: string, id: number): Promise<void> {
    const { rows } = await this.db.query<{ key: string }>(
      `DELETE FROM media WHERE id = $1 AND owner_id = $2 RETURNING key`,
      [id, ownerId],
    );
    const [row] = rows;
    if (!row) throw new MediaNotFound();
    await this.store
      .remove(row.key)
      .catch((err: unknown) => this.logger.warn({ err }, 'File left for the sweeper'));
  }
}
