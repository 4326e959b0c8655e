import { Injectable } from '@nestjs/common';
import { atOnce } from '../../concurrency/at-once.js';
import { Database } from '../../database/database.js';
import { BlobStorage, type Area } from '../../storage/blob-storage.js';
import type { LocalDigest, MovingStorage } from '../../storage/s3/moving-storage.js';
import { batches } from './batches.js';
import { StoreFailures } from './store-failures.js';

const BATCH = 500;
const AT_ONCE = 8;
const PAGE = `SELECT id, key, sha256, thumbnail_key FROM media WHERE id > $1 ORDER BY id LIMIT ${BATCH}`;

interface Row {
  readonly id: number;
  readonly key: string;
  readonly sha256: string;
  readonly thumbnail_key: string | null;
}

/** The result, and what is left in the directory. */
export interface Migrated {
  moved: number;
  /** Keys of damaged files, which stay where they are. */
  readonly damaged: string[];
  /** Files that cannot be read, which stay as well, each with the cause. */
  readonly unreadable: string[];
  /** Parts that uploads still need, and when the last of these uploads expires unless it continues. */
  parts: number;
  lastUntil: Date | undefined;
}

/**
 * Moves finished files and thumbnails from a local directory to the bucket while servers are running. Parts of uploads
 * stay until their uploads end, because servers with old settings may still append to them (decisions/015).
 */
@Injectable()
export class StorageMigration {
  constructor(
    private readonly db: Database,
    private readonly storage: BlobStorage,
    private readonly failures: StoreFailures,
  ) {}

  /** Can be stopped and restarted at any time. @param onProgress called with the number of moved blobs */
  async run(onProgress: (moved: number) => void): Promise<Migrated> {
    const result: Migrated = { moved: 0, damaged: [], unreadable: [], parts: 0, lastUntil: undefined };
    const storage = this.storage as MovingStorage;
    for await (const rows of batches<Row>(this.db, PAGE, 0, BATCH)) {
      await atOnce(AT_ONCE, rows, (row) => this.move(storage, row, result));
      onProgress(result.moved);
    }
    for await (const names of storage.localNames('uploads', -86_400, BATCH)) await this.count(names, result);
    return result;
  }

  private async move(storage: MovingStorage, row: Row, result: Migrated): Promise<void> {
    const file = await this.localDigest(storage, 'files', row.key, result);
    if (file && file.sha256 !== row.sha256) result.damaged.push(row.key);
    else if (file && (await storage.migrate('files', row.key, file))) result.moved++;
    if (row.thumbnail_key === null) return;
    const thumbnail = await this.localDigest(storage, 'thumbnails', row.thumbnail_key, result);
    if (thumbnail && (await storage.migrate('thumbnails', row.thumbnail_key, thumbnail))) result.moved++;
  }

  private async localDigest(
    storage: MovingStorage,
    area: Area,
    name: string,
    { unreadable }: Migrated,
  ): Promise<LocalDigest | undefined> {
    return await this.failures.tolerate(
      () => storage.localDigest(area, name),
      (cause) => {
        unreadable.push(`${area}/${name}: ${cause}`);
        return undefined;
      },
    );
  }

  private async count(names: readonly string[], result: Migrated): Promise<void> {
    const { rows } = await this.db.query<{ parts: number; until: Date | null }>(
      `SELECT count(*)::integer AS parts, max(expires_at) AS until
       FROM upload_part JOIN upload_session ON id = upload_id WHERE name = ANY ($1)`,
      [names],
    );
    const [{ parts = 0, until = null } = {}] = rows;
    result.parts += parts;
    if (until && until > (result.lastUntil ?? new Date(0))) result.lastUntil = until;
  }
}
