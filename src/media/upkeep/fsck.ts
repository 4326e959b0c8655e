import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { Digester } from '../content/digest/digester.js';
import { Thumbnails } from '../images/thumbnails.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import { eachRow } from './batches.js';
import { unreadable, type Finding } from './finding.js';
import { DAMAGED, Orphans, type Orphan } from './orphans.js';
import { StoreFailures } from './store-failures.js';
import { UploadCheck } from './upload-check.js';

interface MediaRow {
  readonly id: number;
  /** Of the file or, where that is checked, the thumbnail. */
  readonly key: string;
  readonly size: string;
  readonly sha256: string;
}

type Fault = Pick<Finding, 'fault' | 'detail'>;

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
    yield* this.checkMedia('media', 'key', (media) => this.findingOf(media));
    yield* this.checkMedia('thumbnail', 'thumbnail_key', (media) => this.thumbnailFinding(media));
    yield* this.uploads.check();
    for await (const orphans of this.orphans.find()) yield* orphans.map((orphan) => this.orphan(orphan));
  }

  private async *checkMedia(
    kind: 'media' | 'thumbnail',
    column: 'key' | 'thumbnail_key',
    findingOf: (media: MediaRow) => Promise<Finding | undefined>,
  ): AsyncGenerator<Finding> {
    const page = `SELECT id, ${column} AS key, size, sha256 FROM media
      WHERE ${column} IS NOT NULL AND id > $1 ORDER BY id LIMIT ${BATCH}`;
    for await (const media of eachRow<MediaRow>(this.db, page, 0, BATCH)) {
      const finding = await this.failures.tolerate(
        () => findingOf(media),
        (cause) => unreadable(kind, nameOf(media), cause),
      );
      if (!finding) continue;
      const { id, key } = media;
      const still = await this.db.query(`SELECT 1 FROM media WHERE id = $1 AND ${column} = $2`, [id, key]);
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
        // First: if it fails, the next run finds this again.
        await this.storage.move('files', media.key, 'quarantine', `${media.key}${DAMAGED}`);
        await this.db.query(`DELETE FROM media WHERE id = $1`, [media.id]);
      },
    };
  }

  private async thumbnailFinding(media: MediaRow): Promise<Finding | undefined> {
    const { id, key } = media;
    if (await this.storage.size('thumbnails', key)) return undefined;
    return {
      fault: 'thumbnail-missing',
      subject: nameOf(media),
      detail: 'the thumbnail is missing',
      remedy: 'let the server make it again',
      fix: async () => {
        await this.db.withTransaction(async (db) => {
          const { rowCount } = await db.query(
            `UPDATE media SET thumbnail_key = NULL, thumbnail_size = NULL WHERE id = $1 AND thumbnail_key = $2`,
            [id, key],
          );
          if (rowCount === 1) await this.thumbnails.order(db, id);
        });
        await this.storage.remove('thumbnails', key);
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
}

function nameOf({ id }: { readonly id: number }): string {
  return `media ${id}`;
}
