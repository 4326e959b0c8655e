import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { createApp } from './app.js';
import type { Config } from './config/config.js';
import { migrate, unsafeSettings, type Connection } from './database/data-source.js';
import { drain } from './http/drain.js';
import { collectProcessMetrics } from './metrics/metrics-server.js';
import { Thumbnails } from './media/images/thumbnails.js';
import { pair } from './media/upkeep/pairing.js';
import { Sweeper } from './media/upkeep/sweeper.js';

/** A server that listens. */
export interface Serving {
  readonly port: number;
  /** Finishes what is under way, then ends it all, connections to the database included. */
  readonly stop: () => Promise<void>;
}

/** Brings the schema up to date and listens. */
export async function serve(config: Config, connection: Connection): Promise<Serving> {
  await migrate(connection);
  const app = await createApp(config, connection);
  const source = app.get(DataSource);
  await pair(source, config.dataDir);
  for (const name of await unsafeSettings(source)) {
    new Logger('Database').error(`${name} is off in Postgres: a power cut WILL LOSE acknowledged uploads`);
  }
  if (config.metricsPort !== undefined) collectProcessMetrics();
  app.get(Sweeper).start();
  app.get(Thumbnails).start();
  await app.listen(config.port, config.host);
  const server: Server = app.getHttpServer();
  return {
    port: (server.address() as AddressInfo).port,
    stop: async () => {
      drain(server);
      await app.close();
    },
  };
}
