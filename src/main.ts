import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import { createApp } from './app.js';
import { ConfigError, loadConfig, type Config } from './config/config.js';
import { migrate, openDatabase, unsafeSettings } from './database/data-source.js';
import { EmbeddedPostgres, EmbeddedPostgresError } from './database/embedded-postgres.js';
import { welcome } from './welcome.js';

/** Starts everything, listens, and stops everything in the reverse order when asked to. */
async function main(): Promise<void> {
  const config = loadConfig();
  const postgres = config.database.url
    ? undefined
    : await EmbeddedPostgres.start({ dataDir: config.dataDir });
  try {
    await serve(config, postgres);
  } catch (error) {
    await postgres?.stop();
    throw error;
  }
}

async function serve(config: Config, postgres: EmbeddedPostgres | undefined): Promise<void> {
  const connection = postgres?.connection ?? { url: config.database.url ?? '' };
  await migrate(connection);
  const source = await openDatabase(connection, config.database.poolSize);
  const unsafe = await unsafeSettings(source);
  const app = await createApp(config, source);
  if (unsafe.length > 0)
    new Logger('Database').error(`${unsafe.join(', ')} is off: a power cut WILL LOSE acknowledged uploads`);
  await app.listen(config.port, config.host);
  const { port } = app.getHttpServer().address() as AddressInfo;
  console.log(await welcome(config, port));
}

main().catch((error: unknown) => {
  // A wrong setting or a missing system user is for a person to mend: no stack trace.
  const expected = error instanceof ConfigError || error instanceof EmbeddedPostgresError;
  console.error(expected ? error.message : error);
  process.exit(1);
});
