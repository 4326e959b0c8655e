import 'reflect-metadata';
import { ConfigError, loadConfig } from './config/config.js';
import { fail } from './fail.js';
import { StorageMigration, type Migrated } from './media/upkeep/storage-migration.js';
import { withApp } from './with-app.js';

/** Moves what is left in the directory S3_MIGRATE_FROM to the bucket. Exits 0 when nothing is left. */
export async function runStorageMigration(): Promise<void> {
  await run().catch(fail);
}

async function run(): Promise<void> {
  const config = loadConfig();
  const { storage } = config;
  if (storage.driver !== 's3' || storage.migrateFrom === undefined)
    throw new ConfigError([
      'S3_MIGRATE_FROM: must be set, to the directory with the files that are to be moved',
    ]);
  const migrated = await withApp(
    (app) => app.get(StorageMigration).run((moved) => console.log(`${moved} moved`)),
    config,
  );
  console.log(words(migrated, storage.migrateFrom));
  process.exitCode = migrated.parts + migrated.damaged.length === 0 ? 0 : 1;
}

function words({ damaged, parts, lastUntil }: Migrated, from: string): string {
  const lines = damaged.map(
    (key) =>
      `damaged: files/${key} is not what was uploaded, and stays: run fsck, or restore it from a backup`,
  );
  if (parts > 0)
    lines.push(
      `${parts} parts are still needed by uploads, the last until ${lastUntil?.toISOString()}: run this again then`,
    );
  if (lines.length === 0)
    lines.push(
      `Nothing is left in ${from}: unset S3_MIGRATE_FROM, restart the servers, and remove ${from}/moved`,
    );
  return lines.join('\n');
}
