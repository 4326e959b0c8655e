import 'reflect-metadata';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { SwaggerModule } from '@nestjs/swagger';
import { AppModule } from './app.module.js';
import { loadConfig } from './config/load-config.js';
import { openApiDocument } from './http/swagger.js';
import metadata from './metadata.js';

const FILE = 'openapi.json';

// Writes openapi.json, or with --check fails if it is out of date. Needs no database, because nothing is started.
// Includes the routes of demo servers, which need a directory for their secret.
const dataDir = await mkdtemp(join(tmpdir(), 'mediadock-openapi-'));
const config = loadConfig({ DATA_DIR: dataDir });
await rm(dataDir, { recursive: true });
const module = AppModule.with(config, { url: '' });
const app = await NestFactory.create(module, { preview: true, logger: false, abortOnError: false });
await SwaggerModule.loadPluginMetadata(metadata);
const fresh = `${JSON.stringify(openApiDocument(app), null, 2)}\n`;

if (!process.argv.includes('--check')) {
  await writeFile(FILE, fresh);
} else if ((await readFile(FILE, 'utf8').catch(() => '')) !== fresh) {
  console.error(`${FILE} is out of date. Run "npm run openapi"`);
  process.exitCode = 1;
}
