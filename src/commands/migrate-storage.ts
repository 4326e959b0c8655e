import 'reflect-metadata';
import { ConfigError } from '../config/config-error.js';
import { fail } from '../fail.js';
import { StorageMigration, type Migrated } from '../media/upkeep/storage-migration.js';
import { commandLine } from './command-line.js';
import { configOfServer } from './server-config.js';
import { withApp } from './with-app.js';

const USAGE = `Usage: npm run migrate-storage

Moves finished files and thumbnails from the directory S3_MIGRATE_FROM to the bucket.`;

/** Moves what is left in the directory S3_MIGRATE_FROM to the bucket. Exits with code 0 if nothing is left. */
export async function migrateStorage(args: string[]): Promise<void> {
  commandLine({ args }, USAGE);
  await run().catch(fail);
}

async function run(): Promise<void> {
  const config = configOfServer();
  const { storage } = config;
  if (storage.driver !== 's3' || storage.migrateFrom === undefined)
    throw new ConfigError(['S3_MIGRATE_FROM: must be set to the directory with the files to move']);
  const migrated = await withApp(
    (app) => app.get(StorageMigration).run((moved) => console.log(`${moved} moved`)),
    config,
  );
  console.log(summaryOf(migrated, storage.migrateFrom));
  const { parts, damaged, unreadable } = migrated;
  process.exitCode = parts + damaged.length + unreadable.length === 0 ? 0 : 1;
}

function summaryOf({ damaged, unreadable, parts, lastUntil }: Migrated, from: string): string {
  const lines = damaged.map(
    (key) =>
      `damaged: files/${key} differs from what was uploaded, so it was not moved: run fsck, or restore it from a backup`,
  );
  for (const file of unreadable)
    lines.push(`unreadable: ${file}, so it was not moved: run this again, or restore it from a backup`);
  if (parts > 0)
    lines.push(
      `Parts still needed by uploads: ${parts}, the last one until ${lastUntil?.toISOString()}: run this again then`,
    );
  if (lines.length === 0)
    lines.push(
      `Nothing is left in ${from}: unset S3_MIGRATE_FROM, restart the servers, and remove ${from}/moved`,
    );
  return lines.join('\n');
}
