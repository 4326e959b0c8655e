import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { Digester } from '../content/digest/digester.js';
import { Thumbnails } from '../images/thumbnails.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import { batches } from './batches.js';
import { unreadable, type Finding } from './finding.js';
import { DAMAGED, Orphans, type Orphan } from './orphans.js';
import { StoreFailures } from './store-failures.js';
import { UploadCheck } from './upload-check.js';

interface MediaRow {
  readonly id: number;
  readonly key: string;
  readonly size: string;
  readonly sha256: string;
}

type Fault = Pick<Finding, 'fault' | 'detail'>;

interface ThumbnailRow {
  readonly id: number;
  readonly thumbnail_key: string;
}

const BATCH = 500;

/**
 * Compares rows with bytes, in both directions. May run while the server is running: every finding is checked twice.
 * Intact media are never touched.
 */
@Injectable()
export class Fsck {
  constructor(
    private readonly db: Database,
    private readonly storage: BlobStorage,
    private readonly uploads: UploadCheck,
    private readonly digester: Digester,
    private readonly failures: StoreFailures,
    private readonly orphans: Orphans,
    private readonly thumbnails: Thumbnails,
  ) {}

  async *check(): AsyncGenerator<Finding> {
    yield* this.checkMedia();
    yield* this.checkThumbnails();
    yield* this.uploads.check();
    for await (const orphans of this.orphans.find()) yield* orphans.map((orphan) => this.orphan(orphan));
  }

  private async *checkMedia(): AsyncGenerator<Finding> {
    const page = `SELECT id, key, size, sha256 FROM media WHERE id > $1 ORDER BY id LIMIT ${BATCH}`;
    for await (const media of this.rows<MediaRow>(page, 0)) {
      const finding = await this.failures.tolerate(
        () => this.findingOf(media),
        (cause) => unreadable('media', nameOf(media), cause),
      );
      if (!finding) continue;
      const still = await this.db.query(`SELECT 1 FROM media WHERE id = $1`, [media.id]);
      if (still.rowCount === 1) yield finding;
    }
  }

  private async findingOf(media: MediaRow): Promise<Finding | undefined> {
    const fault = await this.faultOf(media);
    if (!fault) return undefined;
    const isSetAside = fault.fault === 'media-missing' && (await this.isSetAside(media));
    return isSetAside ? this.setAside(media) : this.damaged(media, fault);
  }

  private async faultOf({ key, size, sha256 }: MediaRow): Promise<Fault | undefined> {
    const length = await this.storage.size('files', key);
    if (length === undefined) return { fault: 'media-missing', detail: 'the file is missing' };
    if (length !== Number(size))
      return { fault: 'media-wrong-size', detail: `${length} bytes instead of ${size}` };
    const digest = await this.storage.withFile(key, (file) => this.digester.digest(file, length));
    if (digest.sha256 === sha256) return undefined;
    return { fault: 'media-wrong-hash', detail: `SHA-256 is ${digest.sha256} instead of ${sha256}` };
  }

  /** Whether the file is in quarantine, because a database restored from an older dump did not have its row. */
  private async isSetAside({ key, size }: MediaRow): Promise<boolean> {
    return (await this.storage.size('quarantine', key)) === Number(size);
  }

  private setAside(media: MediaRow): Finding {
    const { key } = media;
    return {
      fault: 'media-missing',
      subject: nameOf(media),
      detail: 'the file is in quarantine/',
      remedy: 'move it back',
      fix: () => this.storage.move('quarantine', key, 'files', key),
    };
  }

  private damaged(media: MediaRow, fault: Fault): Finding {
    return {
      ...fault,
      subject: nameOf(media),
      remedy: 'delete the row, move what is left of the file to quarantine/',
      fix: async () => {
        // First, so that the finding comes back if it fails.
        await this.storage.move('files', media.key, 'quarantine', `${media.key}${DAMAGED}`);
        await this.db.query(`DELETE FROM media WHERE id = $1`, [media.id]);
      },
    };
  }

  private async *checkThumbnails(): AsyncGenerator<Finding> {
    const page = `SELECT id, thumbnail_key FROM media WHERE thumbnail_key IS NOT NULL AND id > $1 ORDER BY id LIMIT ${BATCH}`;
    for await (const thumbnail of this.rows<ThumbnailRow>(page, 0)) {
      const finding = await this.failures.tolerate(
        () => this.thumbnailFinding(thumbnail),
        (cause) => unreadable('thumbnail', nameOf(thumbnail), cause),
      );
      if (!finding) continue;
      const still = await this.db.query(`SELECT 1 FROM media WHERE id = $1 AND thumbnail_key = $2`, [
        thumbnail.id,
        thumbnail.thumbnail_key,
      ]);
      if (still.rowCount === 1) yield finding;
    }
  }

  private async thumbnailFinding(thumbnail: ThumbnailRow): Promise<Finding | undefined> {
    const { id, thumbnail_key } = thumbnail;
    if (await this.storage.size('thumbnails', thumbnail_key)) return undefined;
    return {
      fault: 'thumbnail-missing',
      subject: nameOf(thumbnail),
      detail: 'the thumbnail is missing',
      remedy: 'let the server make it again',
      fix: async () => {
        await this.db.withTransaction(async (db) => {
          const { rowCount } = await db.query(
            `UPDATE media SET thumbnail_key = NULL, thumbnail_size = NULL WHERE id = $1 AND thumbnail_key = $2`,
            [id, thumbnail_key],
          );
          if (rowCount === 1) await this.thumbnails.order(db, id);
        });
        await this.storage.remove('thumbnails', thumbnail_key);
      },
    };
  }

  private orphan(orphan: Orphan): Finding {
    return {
      fault: 'orphan',
      subject: `${orphan.area}/${orphan.name.slice(0, 8)}…`,
      detail: 'no row refers to this file',
      remedy: orphan.area === 'files' ? 'move it to quarantine/ for a week' : 'remove it',
      fix: () => this.orphans.remove(orphan),
    };
  }

  private async *rows<Row extends { id: number | string }>(
    page: string,
    first: Row['id'],
  ): AsyncGenerator<Row> {
    for await (const rows of batches<Row>(this.db, page, first, BATCH)) yield* rows;
  }
}

function nameOf({ id }: { readonly id: number }): string {
  return `media ${id}`;
}
