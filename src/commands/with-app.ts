import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { AppModule } from '../app.module.js';
import { loadConfig } from '../config/load-config.js';
import { EmbeddedPostgres } from '../database/embedded/embedded-postgres.js';
import { prepareDatabase } from '../database/prepare.js';
import { pair } from '../media/upkeep/pairing.js';
import { BlobStorage } from '../storage/blob-storage.js';

/** Runs a command on the database and the files of this server, which may be running. */
export async function withApp<T>(
  command: (app: INestApplicationContext) => Promise<T>,
  config = loadConfig(),
): Promise<T> {
  const { url } = config.database;
  const postgres = url === undefined ? await EmbeddedPostgres.start({ dataDir: config.dataDir }) : undefined;
  const connection = postgres?.connection ?? { url: url ?? '' };
  const place = await prepareDatabase(connection, { unsafe: true, warn: console.warn });
  const app = await NestFactory.createApplicationContext(AppModule.with(config, place), {
    logger: false,
    abortOnError: false,
  });
  await pair(app.get(DataSource), app.get(BlobStorage));
  const result = await command(app);
  await app.close();
  await postgres?.stop();
  return result;
}
