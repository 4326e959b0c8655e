import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataSource } from 'typeorm';
import { ConfigError } from '../../config/config.js';
import { syncDirectory, withFile } from '../../storage/local/files.js';

/**
 * Makes sure that a database and a data directory belong together, by an id that both keep. To a database that never
 * saw it every file is an orphan: a mistyped DATABASE_URL would have the sweeper clear the directory.
 * @throws ConfigError when they are strangers and either has something to lose
 */
export async function pair(source: DataSource, dataDir: string): Promise<void> {
  const path = join(dataDir, 'database-id');
  await source.query(`INSERT INTO data_directory (id) VALUES ($1) ON CONFLICT DO NOTHING`, [randomUUID()]);
  const [{ id }] = await source.query<[{ id: string }]>(`SELECT id FROM data_directory`);
  const known = await readFile(path, 'utf8').catch(() => undefined);
  if (known?.trim() === id) return;
  if (await isInUse(source, dataDir)) {
    throw new ConfigError([
      `DATA_DIR, DATABASE_URL: ${dataDir} and this database do not belong together, and the sweeper would remove what ` +
        `only one of them knows. If they do, write ${id} into ${path}.`,
    ]);
  }
  await write(path, id, dataDir);
}

async function isInUse(source: DataSource, dataDir: string): Promise<boolean> {
  const rows = await source.query<unknown[]>(`SELECT 1 FROM media LIMIT 1`);
  const names = await Promise.all(
    ['uploads', 'files'].map((name) => readdir(join(dataDir, name)).catch(() => [])),
  );
  return rows.length > 0 || names.flat().length > 0;
}

async function write(path: string, id: string, dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  await withFile(path, 'w', async (file) => {
    await file.writeFile(`${id}\n`);
    await file.sync();
  });
  await syncDirectory(dataDir);
}
