import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { AppModule } from './app.module.js';
import { loadConfig } from './config/config.js';
import { migrate } from './database/data-source.js';
import { EmbeddedPostgres } from './database/embedded-postgres.js';
import { Fsck } from './media/upkeep/fsck.js';
import { pair } from './media/upkeep/pairing.js';

// `npm run fsck [-- --fix]`: rows against bytes. Exits 1 when anything is wrong, and with --fix when anything was.
const { values } = parseArgs({ options: { fix: { type: 'boolean', default: false } } });
const config = loadConfig();
const postgres = config.database.url ? undefined : await EmbeddedPostgres.start({ dataDir: config.dataDir });
const connection = postgres?.connection ?? { url: config.database.url ?? '' };
await migrate(connection);
const app = await NestFactory.createApplicationContext(AppModule.with(config, connection), { logger: false });
await pair(app.get(DataSource), config.dataDir);

let found = 0;
for await (const { fault, subject, detail, remedy, fix } of app.get(Fsck).check()) {
  found++;
  console.log(`${fault}: ${subject}: ${detail}; ${values.fix ? 'done' : 'to mend'}: ${remedy}`);
  if (values.fix) await fix();
}
console.log(found === 0 ? 'clean: every row has its bytes, every file its row' : `${found} found`);
await app.close();
await postgres?.stop();
process.exitCode = found === 0 ? 0 : 1;
