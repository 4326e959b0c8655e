import 'reflect-metadata';
import { readFile, writeFile } from 'node:fs/promises';
import { NestFactory } from '@nestjs/core';
import { SwaggerModule } from '@nestjs/swagger';
import { AppModule } from './app.module.js';
import { loadConfig } from './config/config.js';
import { openApiDocument } from './http/swagger.js';
import metadata from './metadata.js';

const FILE = 'openapi.json';

// Writes openapi.json, or with --check fails when it is not what the code says. Needs no database: nothing is started.
const config = loadConfig({ JWT_SECRET: 'unused-while-a-document-is-written' });
const module = AppModule.with(config, { url: '' });
const app = await NestFactory.create(module, { preview: true, logger: false, abortOnError: false });
await SwaggerModule.loadPluginMetadata(metadata);
const fresh = `${JSON.stringify(openApiDocument(app), null, 2)}\n`;

if (!process.argv.includes('--check')) {
  await writeFile(FILE, fresh);
} else if ((await readFile(FILE, 'utf8').catch(() => '')) !== fresh) {
  console.error(`${FILE} is stale: run "npm run openapi"`);
  process.exitCode = 1;
}
