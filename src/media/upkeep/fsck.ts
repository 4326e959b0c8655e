import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { Digester } from '../../storage/digester.js';
import { FileStore } from '../../storage/file-store.js';
import { ThumbnailStore } from '../../storage/thumbnail-store.js';
import { Orphans, type Orphan } from './orphans.js';

/** Something that is not as the promise says. */
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
  /** What `--fix` would do. */
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

interface UploadRow {
  readonly id: string;
  readonly file: string;
  readonly key: string;
  readonly offset: string;
}

const BATCH = 500;

/**
 * Compares rows and bytes, both ways. May run beside a working server: what it finds it looks at twice. A Media whose
 * file is whole is never touched.
 */
@Injectable()
export class Fsck {
  constructor(
    private readonly db: Database,
    private readonly store: FileStore,
    private readonly thumbnails: ThumbnailStore,
    private readonly digester: Digester,
    private readonly orphans: Orphans,
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
      if (fault && still.rowCount === 1) yield this.damaged(media, fault);
    }
  }

  private async faultOf({
    key,
    size,
    sha256,
  }: MediaRow): Promise<Pick<Finding, 'fault' | 'detail'> | undefined> {
    const length = await this.store.lengthOf({ key });
    if (length === undefined) return { fault: 'media-missing', detail: 'the file is not there' };
    if (length !== Number(size))
      return { fault: 'media-wrong-size', detail: `${length} bytes instead of ${size}` };
    const digest = await this.store.readFile(key, (file) => this.digester.digest(file, length));
    if (digest.sha256 === sha256) return undefined;
    return { fault: 'media-wrong-hash', detail: `SHA-256 is ${digest.sha256} instead of ${sha256}` };
  }

  private damaged(media: MediaRow, fault: Pick<Finding, 'fault' | 'detail'>): Finding {
    return {
      ...fault,
      subject: `media ${media.id}`,
      remedy: 'delete the row, set what is left of the file aside in quarantine/',
      fix: async () => {
        await this.db.query(`DELETE FROM media WHERE id = $1`, [media.id]);
        await this.store.quarantine(media.key);
      },
    };
  }

  private async *checkThumbnails(): AsyncGenerator<Finding> {
    const page = `SELECT id, thumbnail_key FROM media WHERE thumbnail_key IS NOT NULL AND id > $1 ORDER BY id LIMIT ${BATCH}`;
    for await (const thumbnail of this.rows<ThumbnailRow>(page, 0)) {
      if (await this.thumbnails.lengthOf(thumbnail.thumbnail_key)) continue;
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
      detail: 'its thumbnail is not there',
      remedy: 'have the server make it again',
      fix: async () => {
        await this.db.query(
          `UPDATE media SET thumbnail_key = NULL, thumbnail_attempts = 0, thumbnail_due = now()
           WHERE id = $1 AND thumbnail_key = $2`,
          [id, thumbnail_key],
        );
        await this.thumbnails.remove(thumbnail_key);
      },
    };
  }

  /** The offset may never pass what is on disk. */
  private async *checkUploads(): AsyncGenerator<Finding> {
    const columns = `SELECT id, coalesce(file, id) AS file, key, "offset" FROM upload_session WHERE state = 'open'`;
    for await (const upload of this.rows<UploadRow>(
      `${columns} AND id > $1 ORDER BY id LIMIT ${BATCH}`,
      '',
    )) {
      const length = (await this.store.lengthOf(upload)) ?? 0;
      const { rows } = await this.db.query<UploadRow>(`${columns} AND id = $1`, [upload.id]);
      const still = rows.some(({ file, offset }) => file === upload.file && offset === upload.offset);
      if (length < Number(upload.offset) && still) yield this.short(upload, length);
    }
  }

  private short({ id, file, offset }: UploadRow, length: number): Finding {
    return {
      fault: 'upload-short',
      subject: `upload ${id.slice(0, 8)}…`,
      detail: `${length} bytes on disk, ${offset} acknowledged`,
      remedy: 'set the offset back to what is there; the client sends the rest again',
      fix: async () => {
        await this.db.query(
          `UPDATE upload_session SET "offset" = $2, tail_end = NULL, tail_crc = NULL
           WHERE id = $1 AND state = 'open' AND "offset" = $3 AND coalesce(file, id) = $4`,
          [id, length, offset, file],
        );
      },
    };
  }

  private orphan(orphan: Orphan): Finding {
    return {
      fault: 'orphan',
      subject: `${orphan.place}/${orphan.name.slice(0, 8)}…`,
      detail: 'no row knows this file',
      remedy: 'remove it',
      fix: () => this.orphans.remove(orphan),
    };
  }

  private async *rows<Row extends { id: number | string }>(
    page: string,
    first: Row['id'],
  ): AsyncGenerator<Row> {
    for (let after = first; ;) {
      const { rows } = await this.db.query<Row>(page, [after]);
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < BATCH) return;
      after = last.id;
    }
  }
}
