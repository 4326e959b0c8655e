import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { FileStore } from '../../storage/file-store.js';
import { ThumbnailStore } from '../../storage/thumbnail-store.js';

/** A file that no row knows: what a rolled back transaction or a crash left behind. */
export interface Orphan {
  readonly place: 'uploads' | 'files' | 'thumbnails';
  readonly name: string;
}

const BATCH = 200;

/** Finds files without a row. Those younger than `ORPHAN_AGE_SECONDS` may belong to a transaction under way. */
@Injectable()
export class Orphans {
  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly store: FileStore,
    private readonly thumbnails: ThumbnailStore,
  ) {}

  async *find(): AsyncGenerator<Orphan> {
    const { orphanAgeSeconds } = this.config.sweep;
    for await (const names of this.store.oldUploads(orphanAgeSeconds, BATCH)) {
      // Of a complete upload the original stays for a while; of any a copy may be left, or what was to be published.
      const known = `SELECT coalesce(file, id) AS name FROM upload_session
        WHERE (state = 'open' OR state = 'complete' AND cleaned_at IS NULL) AND id IN (SELECT left(name, 32) FROM unnest($1::text[]) AS name)`;
      for (const name of await this.unknown(names, known)) yield { place: 'uploads', name };
    }
    for await (const names of this.store.oldFiles(orphanAgeSeconds, BATCH)) {
      // A completion renames first and commits after: in between the file belongs to an open session.
      const known = `SELECT key AS name FROM media WHERE key = ANY($1)
        UNION SELECT key FROM upload_session WHERE state = 'open' AND key = ANY($1)`;
      for (const name of await this.unknown(names, known)) yield { place: 'files', name };
    }
    for await (const names of this.thumbnails.old(orphanAgeSeconds, BATCH)) {
      const known = `SELECT thumbnail_key AS name FROM media WHERE thumbnail_key = ANY($1)`;
      for (const name of await this.unknown(names, known)) yield { place: 'thumbnails', name };
    }
  }

  async remove({ place, name }: Orphan): Promise<void> {
    if (place === 'uploads') await this.store.discard(name);
    if (place === 'files') await this.store.remove(name);
    if (place === 'thumbnails') await this.thumbnails.remove(name);
  }

  private async unknown(names: readonly string[], known: string): Promise<string[]> {
    const { rows } = await this.db.query<{ name: string }>(known, [names]);
    const found = new Set(rows.map(({ name }) => name));
    return names.filter((name) => !found.has(name));
  }
}
