// @ts-check
// Sweeps a data directory twice, and prints how many milliseconds the second sweep took.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';

// The variable path keeps TypeScript from looking for types in dist/.
const built = (/** @type {string} */ path) => import(new URL(`../dist/src/${path}`, import.meta.url).href);
const { AppModule } = await built('app.module.js');
const { loadConfig } = await built('config/load-config.js');
const { EmbeddedPostgres } = await built('database/embedded/embedded-postgres.js');
const { Sweeper } = await built('media/upkeep/sweeper.js');

const config = loadConfig();
const postgres = await EmbeddedPostgres.start({ dataDir: config.dataDir });
const module = AppModule.with(config, postgres.connection);
const app = await NestFactory.createApplicationContext(module, { logger: false });
const sweeper = app.get(Sweeper);
await sweeper.sweep();
const at = performance.now();
await sweeper.sweep();
console.log(performance.now() - at);
await app.close();
await postgres.stop();
