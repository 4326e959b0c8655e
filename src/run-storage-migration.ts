import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { AppModule } from './app.module.js';
import { ConfigError, loadConfig, type Config } from './config/config.js';
import type { Connection } from './database/data-source.js';
import { EmbeddedPostgres } from './database/embedded-postgres.js';
import { prepareDatabase } from './database/prepare.js';
import { fail } from './fail.js';
import { pair } from './media/upkeep/pairing.js';
import { StorageMigration, type Migrated } from './media/upkeep/storage-migration.js';
import { BlobStorage } from './storage/blob-storage.js';

/** Moves what is left in the directory S3_MIGRATE_FROM to the bucket. Exits 0 when nothing is left. */
export async function runStorageMigration(): Promise<void> {
  await run().catch(fail);
}

async function run(): Promise<void> {
  const config = loadConfig();
  const { storage, database, dataDir } = config;
  if (storage.driver !== 's3' || storage.migrateFrom === undefined)
    throw new ConfigError([
      'S3_MIGRATE_FROM: must be set, to the directory with the files that are to be moved',
    ]);
  const { url } = database;
  const postgres = url === undefined ? await EmbeddedPostgres.start({ dataDir }) : undefined;
  const migrated = await migrate(config, postgres?.connection ?? { url: url ?? '' });
  await postgres?.stop();
  console.log(words(migrated, storage.migrateFrom));
  process.exitCode = migrated.parts + migrated.damaged.length === 0 ? 0 : 1;
}

async function migrate(config: Config, connection: Connection): Promise<Migrated> {
  const place = await prepareDatabase(connection, { unsafe: true, warn: console.warn });
  const app = await NestFactory.createApplicationContext(AppModule.with(config, place), {
    logger: false,
    abortOnError: false,
  });
  await pair(app.get(DataSource), app.get(BlobStorage));
  const migrated = await app.get(StorageMigration).run((moved) => console.log(`${moved} moved`));
  await app.close();
  return migrated;
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
