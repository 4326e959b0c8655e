import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { BlobStorage, type Area } from '../../storage/blob-storage.js';

/** A blob without a row, left by a crash or a refused commit. */
export interface Orphan {
  readonly area: Area;
  readonly name: string;
}

const BATCH = 200;
const QUARANTINE_SECONDS = 7 * 24 * 3600;
/** Suffix of damaged files that `fsck` has moved to quarantine. They stay until a person removes them. */
export const DAMAGED = '.damaged';

/** Selects the names in $1 that have a row. */
const KNOWN: Readonly<Record<Area, string>> = {
  uploads: `SELECT name FROM upload_part WHERE name = ANY($1)`,
  files: `SELECT key AS name FROM media WHERE key = ANY($1)`,
  thumbnails: `SELECT thumbnail_key AS name FROM media WHERE thumbnail_key = ANY($1)`,
  quarantine: `SELECT key AS name FROM media WHERE key = ANY($1)`,
};

/**
 * Finds and removes blobs without a row. Those younger than `ORPHAN_AGE_SECONDS` may be waiting for their commit.
 * Finished files first stay in `quarantine` for a week, because after restoring an older dump all newer files are
 * orphans.
 */
@Injectable()
export class Orphans {
  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly storage: BlobStorage,
  ) {}

  /** Finds orphans in batches, which may be empty, so that whoever looks for them can stop at any time. */
  async *find(): AsyncGenerator<Orphan[]> {
    for (const area of Object.keys(KNOWN) as Area[]) {
      const age = area === 'quarantine' ? QUARANTINE_SECONDS : this.config.sweep.orphanAgeSeconds;
      for await (const names of this.findIn(area, age)) yield names.map((name) => ({ area, name }));
    }
  }

  /** Finds finished files without a row, of any age, in batches. */
  findFiles(): AsyncGenerator<string[]> {
    return this.findIn('files', 0);
  }

  async remove({ area, name }: Orphan): Promise<void> {
    await (area === 'files'
      ? this.storage.move('files', name, 'quarantine', name)
      : this.storage.remove(area, name));
  }

  private async *findIn(area: Area, ageSeconds: number): AsyncGenerator<string[]> {
    for await (const names of this.storage.listOld(area, ageSeconds, BATCH)) {
      const { rows } = await this.db.query<{ name: string }>(KNOWN[area], [names]);
      const known = new Set(rows.map(({ name }) => name));
      yield names.filter((name) => !known.has(name) && !name.endsWith(DAMAGED));
    }
  }
}
