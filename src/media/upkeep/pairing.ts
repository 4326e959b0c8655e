import { randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { ConfigError } from '../../config/config-error.js';
import type { BlobStorage } from '../../storage/blob-storage.js';

/**
 * Makes sure that a database and a store belong together, by an id that both contain. For a foreign database every blob
 * is an orphan: with a mistyped DATABASE_URL, the sweeper would empty the store.
 * @throws ConfigError if they do not match and either of them is not empty
 */
export async function pair(source: DataSource, storage: BlobStorage): Promise<void> {
  await source.query(`INSERT INTO data_directory (id) VALUES ($1) ON CONFLICT DO NOTHING`, [randomUUID()]);
  const [{ id }] = await source.query<[{ id: string }]>(`SELECT id FROM data_directory`);
  if ((await storage.readDatabaseId()) === id) return;
  if (await isInUse(source, storage)) {
    const { settings, address } = storage.place;
    throw new ConfigError([
      `${settings}, DATABASE_URL: the files and this database do not belong together, and the sweeper would remove files ` +
        `that the database does not know. If they do belong together, write ${id} into ${address}.`,
    ]);
  }
  await storage.writeDatabaseId(id);
}

async function isInUse(source: DataSource, storage: BlobStorage): Promise<boolean> {
  const rows = await source.query<unknown[]>(`SELECT 1 FROM media LIMIT 1`);
  return rows.length > 0 || (await hasAny(storage, 'uploads')) || (await hasAny(storage, 'files'));
}

async function hasAny(storage: BlobStorage, area: 'uploads' | 'files'): Promise<boolean> {
  // Of any age, whatever the clock of the store says.
  for await (const names of storage.listOld(area, -86_400, 1)) if (names.length > 0) return true;
  return false;
}
