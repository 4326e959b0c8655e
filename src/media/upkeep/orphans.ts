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
const QUARANTINE_SECONDS = 7 * 24 * 3600;
/** Ends the name of a file that `fsck` set aside because its bytes are wrong: kept until a person removes it. */
export const DAMAGED = '.damaged';

/** Of the names in $1, those that a row knows. */
const KNOWN: Readonly<Record<Area, string>> = {
  uploads: `SELECT name FROM upload_part WHERE name = ANY($1)`,
  files: `SELECT key AS name FROM media WHERE key = ANY($1)`,
  thumbnails: `SELECT thumbnail_key AS name FROM media WHERE thumbnail_key = ANY($1)`,
  quarantine: `SELECT key AS name FROM media WHERE key = ANY($1)`,
};

/**
 * Finds blobs without a row, and clears them away. Those younger than `ORPHAN_AGE_SECONDS` may be waiting for their commit.
 * Finished files go to `quarantine` for a week first: to a database restored from an older dump all newer ones are orphans.
 */
@Injectable()
export class Orphans {
  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly storage: BlobStorage,
  ) {}

  async *find(): AsyncGenerator<Orphan> {
    for (const area of Object.keys(KNOWN) as Area[]) {
      const age = area === 'quarantine' ? QUARANTINE_SECONDS : this.config.sweep.orphanAgeSeconds;
      for await (const names of this.findIn(area, age)) for (const name of names) yield { area, name };
    }
  }

  /** Finds finished files without a row, however young, in batches. */
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
