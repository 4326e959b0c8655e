import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { BlobStorage, type Area } from '../../storage/blob-storage.js';

/** A blob that no row names: what a crash or a refused commit has left behind. */
export interface Orphan {
  readonly area: Area;
  readonly name: string;
}

const BATCH = 200;

/** Of the names in $1, those that a row knows. */
const KNOWN: Readonly<Record<Area, string>> = {
  uploads: `SELECT name FROM upload_part WHERE name = ANY($1)`,
  files: `SELECT key AS name FROM media WHERE key = ANY($1)`,
  thumbnails: `SELECT thumbnail_key AS name FROM media WHERE thumbnail_key = ANY($1)`,
};

/** Finds blobs without a row. Those younger than `ORPHAN_AGE_SECONDS` may be waiting for their commit. */
@Injectable()
export class Orphans {
  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly storage: BlobStorage,
  ) {}

  async *find(): AsyncGenerator<Orphan> {
    for (const area of Object.keys(KNOWN) as Area[])
      for await (const names of this.storage.listOld(area, this.config.sweep.orphanAgeSeconds, BATCH)) {
        const { rows } = await this.db.query<{ name: string }>(KNOWN[area], [names]);
        const known = new Set(rows.map(({ name }) => name));
        for (const name of names) if (!known.has(name)) yield { area, name };
      }
  }

  async remove({ area, name }: Orphan): Promise<void> {
    await this.storage.remove(area, name);
  }
}
