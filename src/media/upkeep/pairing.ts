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
  const id = await idOf(source);
  if ((await storage.readDatabaseId()) === id) return;
  if (await isInUse(source, storage)) throw foreign(storage, id);
  await storage.writeDatabaseId(id);
}

/** The same for a command, which changes nothing: a server has to have paired them. @throws ConfigError */
export async function assertPaired(source: DataSource, storage: BlobStorage): Promise<void> {
  const id = await idOf(source);
  if (!id || (await storage.readDatabaseId()) !== id) throw foreign(storage, id);
}

async function idOf(source: DataSource): Promise<string> {
  const rows = await source.query<{ id: string }[]>(`SELECT id FROM data_directory`);
  return rows[0]?.id ?? '';
}

function foreign({ place: { settings, address } }: BlobStorage, id: string): ConfigError {
  return new ConfigError([
    `${settings}, DATABASE_URL: the files and this database do not belong together, and the sweeper would remove files ` +
      `that the database does not know. If they do belong together, write ${id} into ${address}.`,
  ]);
}

async function isInUse(source: DataSource, storage: BlobStorage): Promise<boolean> {
  const rows = await source.query<unknown[]>(
    `(SELECT 1 FROM media LIMIT 1) UNION ALL (SELECT 1 FROM upload_part LIMIT 1)`,
  );
  return rows.length > 0 || (await hasAny(storage, 'uploads')) || (await hasAny(storage, 'files'));
}

async function hasAny(storage: BlobStorage, area: 'uploads' | 'files'): Promise<boolean> {
  // Of any age, whatever the clock of the store says.
  for await (const names of storage.listOld(area, -86_400, 1)) if (names.length > 0) return true;
  return false;
}
