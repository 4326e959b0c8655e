import 'reflect-metadata';
import { join } from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { AppModule } from '../app.module.js';
import type { Config } from '../config/config.js';
import { EmbeddedPostgres } from '../database/embedded/embedded-postgres.js';
import { findDatabase } from '../database/prepare.js';
import { assertPaired } from '../media/upkeep/pairing.js';
import { BlobStorage } from '../storage/blob-storage.js';
import { configOfServer, requireMade } from './server-config.js';

/**
 * Runs a command on the database and the files of this server, which may be running.
 * @throws StartError if there is no server of this version
 */
export async function withApp<T>(
  command: (app: INestApplicationContext) => Promise<T>,
  config = configOfServer(),
): Promise<T> {
  requireServer(config);
  const postgres = await EmbeddedPostgres.of(config);
  const connection = postgres?.connection ?? { url: config.database.url ?? '' };
  const place = await findDatabase(connection, { unsafe: true, warn: console.warn });
  const app = await NestFactory.createApplicationContext(AppModule.with(config, place), {
    logger: false,
    abortOnError: false,
  });
  await assertPaired(app.get(DataSource), app.get(BlobStorage));
  const result = await command(app);
  await app.close();
  await postgres?.stop();
  return result;
}

/** Otherwise the command would make an empty installation, and find it clean. */
function requireServer({ database, dataDir, storage }: Config): void {
  if (database.url === undefined) requireMade(join(dataDir, 'postgres'));
  if (storage.driver === 'local') requireMade(join(dataDir, 'database-id'));
}
