import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { Digester } from '../content/digester.js';
import { Thumbnails } from '../images/thumbnails.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import type { UploadSession } from '../uploads/sessions/upload-session.entity.js';
import { UploadStore } from '../uploads/sessions/upload-store.js';
import { batches } from './batches.js';
import { DAMAGED, Orphans, type Orphan } from './orphans.js';

/** A violation of our promise. */
export interface Finding {
  readonly fault:
    | 'media-missing'
    | 'media-wrong-size'
    | 'media-wrong-hash'
    | 'thumbnail-missing'
    | 'upload-short'
    | 'orphan';
  /** Id of the media or upload, or name of the orphan. */
  readonly subject: string;
  readonly detail: string;
  /** What `--fix` does. */
  readonly remedy: string;
  readonly fix: () => Promise<void>;
}

interface MediaRow {
  readonly id: number;
  readonly key: string;
  readonly size: string;
  readonly sha256: string;
}

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
    private readonly uploads: UploadStore,
    private readonly digester: Digester,
    private readonly orphans: Orphans,
    private readonly thumbnails: Thumbnails,
  ) {}

  async *check(): AsyncGenerator<Finding> {
    yield* this.checkMedia();
    yield* this.checkThumbnails();
    yield* this.checkUploads();
    for await (const orphan of this.orphans.find()) yield this.orphan(orphan);
  }

  private async *checkMedia(): AsyncGenerator<Finding> {
    const page = `SELECT id, key, size, sha256 FROM media WHERE id > $1 ORDER BY id LIMIT ${BATCH}`;
    for await (const media of this.rows<MediaRow>(page, 0)) {
      const fault = await this.faultOf(media);
      const still = await this.db.query(`SELECT 1 FROM media WHERE id = $1`, [media.id]);
      if (!fault || still.rowCount === 0) continue;
      const isSetAside = fault.fault === 'media-missing' && (await this.isSetAside(media));
      yield isSetAside ? this.setAside(media) : this.damaged(media, fault);
    }
  }

  private async faultOf({
    key,
    size,
    sha256,
  }: MediaRow): Promise<Pick<Finding, 'fault' | 'detail'> | undefined> {
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

  private setAside({ id, key }: MediaRow): Finding {
    return {
      fault: 'media-missing',
      subject: `media ${id}`,
      detail: 'the file is in quarantine/',
      remedy: 'move it back',
      fix: () => this.storage.move('quarantine', key, 'files', key),
    };
  }

  private damaged(media: MediaRow, fault: Pick<Finding, 'fault' | 'detail'>): Finding {
    return {
      ...fault,
      subject: `media ${media.id}`,
      remedy: 'delete the row, move what is left of the file to quarantine/',
      fix: async () => {
        await this.db.query(`DELETE FROM media WHERE id = $1`, [media.id]);
        await this.storage.move('files', media.key, 'quarantine', `${media.key}${DAMAGED}`);
      },
    };
  }

  private async *checkThumbnails(): AsyncGenerator<Finding> {
    const page = `SELECT id, thumbnail_key FROM media WHERE thumbnail_key IS NOT NULL AND id > $1 ORDER BY id LIMIT ${BATCH}`;
    for await (const thumbnail of this.rows<ThumbnailRow>(page, 0)) {
      if (await this.storage.size('thumbnails', thumbnail.thumbnail_key)) continue;
      const still = await this.db.query(`SELECT 1 FROM media WHERE id = $1 AND thumbnail_key = $2`, [
        thumbnail.id,
        thumbnail.thumbnail_key,
      ]);
      if (still.rowCount === 1) yield this.withoutThumbnail(thumbnail);
    }
  }

  private withoutThumbnail({ id, thumbnail_key }: ThumbnailRow): Finding {
    return {
      fault: 'thumbnail-missing',
      subject: `media ${id}`,
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

  /** Each part must have the bytes of its range. Otherwise the offset is set back to the first missing byte. */
  private async *checkUploads(): AsyncGenerator<Finding> {
    const page = `SELECT id, owner_id FROM upload_session WHERE state = 'open' AND expires_at > now() AND id > $1
      ORDER BY id LIMIT ${BATCH}`;
    for await (const { id, owner_id } of this.rows<{ id: string; owner_id: string }>(page, '')) {
      const session = await this.uploads.find(owner_id, id);
      const whole = session && (await this.wholeBytes(session));
      if (!session || whole === session.offset) continue;
      // The upload may have ended meanwhile, and its parts with it.
      const now = await this.uploads.find(owner_id, id);
      if (now?.state === 'open' && now.part === session.part) yield this.short(session, whole ?? 0);
    }
  }

  /** Returns the number of bytes of an upload before the first missing one. */
  private async wholeBytes(session: UploadSession): Promise<number> {
    let whole = 0;
    for (const { name, start, end } of await this.uploads.extentsOf(session)) {
      if (start !== whole) break;
      const size = (await this.storage.size('uploads', name)) ?? 0;
      whole = Math.min(start + size, end);
      if (whole < end) break;
    }
    return whole;
  }

  private short({ id, offset, part }: UploadSession, whole: number): Finding {
    return {
      fault: 'upload-short',
      subject: `upload ${id.slice(0, 8)}…`,
      detail: `${whole} bytes on disk, ${offset} acknowledged`,
      remedy: 'set the offset back to the bytes that exist; the client sends the rest again',
      fix: async () => {
        // No process knows a part called '', so the next chunk begins a new one.
        await this.db.query(
          `WITH shortened AS (
             UPDATE upload_session SET "offset" = $2, part = '', digest = NULL
             WHERE id = $1 AND state = 'open' AND "offset" = $3 AND part = $4 RETURNING id)
           DELETE FROM upload_part p USING shortened s WHERE p.upload_id = s.id AND p.start >= $2`,
          [id, whole, offset, part],
        );
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
