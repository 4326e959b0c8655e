import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { AppModule } from './app.module.js';
import { loadConfig, type Config } from './config/config.js';
import type { Connection } from './database/data-source.js';
import { EmbeddedPostgres } from './database/embedded-postgres.js';
import { prepareDatabase } from './database/prepare.js';
import { fail } from './fail.js';
import { Fsck } from './media/upkeep/fsck.js';
import { pair } from './media/upkeep/pairing.js';
import { BlobStorage } from './storage/blob-storage.js';

/** Compares rows and bytes; `--fix` mends. Exits 1 when anything is wrong, and with --fix when anything was. */
export async function runFsck(): Promise<void> {
  const { values } = parseArgs({ options: { fix: { type: 'boolean', default: false } } });
  await run(values.fix).catch(fail);
}

async function run(isFixing: boolean): Promise<void> {
  const config = loadConfig();
  const { url } = config.database;
  const postgres = url === undefined ? await EmbeddedPostgres.start({ dataDir: config.dataDir }) : undefined;
  const found = await check(config, postgres?.connection ?? { url: url ?? '' }, isFixing);
  console.log(found === 0 ? 'clean: every row has its bytes, every file its row' : `${found} found`);
  await postgres?.stop();
  process.exitCode = found === 0 ? 0 : 1;
}

async function check(config: Config, connection: Connection, isFixing: boolean): Promise<number> {
  const place = await prepareDatabase(connection, { unsafe: true, warn: console.warn });
  const app = await NestFactory.createApplicationContext(AppModule.with(config, place), {
    logger: false,
    abortOnError: false,
  });
  await pair(app.get(DataSource), app.get(BlobStorage));
  let found = 0;
  for await (const { fault, subject, detail, remedy, fix } of app.get(Fsck).check()) {
    found++;
    console.log(`${fault}: ${subject}: ${detail}; ${isFixing ? 'done' : 'to repair'}: ${remedy}`);
    if (isFixing) await fix();
  }
  await app.close();
  return found;
}
