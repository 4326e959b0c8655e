import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DataSource } from 'typeorm';
import { createApp } from './app.js';
import type { Config } from './config/config.js';
import type { Connection } from './database/data-source.js';
import { prepareDatabase } from './database/prepare.js';
import { Webhooks } from './events/webhooks.js';
import { drainable } from './http/connections/drain.js';
import { createLogger } from './http/logging.js';
import { listening } from './listening.js';
import { collectProcessMetrics } from './metrics/metrics-server.js';
import { Jobs } from './jobs/jobs.js';
import { pair } from './media/upkeep/pairing.js';
import { BlobStorage } from './storage/blob-storage.js';
import { Sweeper } from './media/upkeep/sweeper.js';

/** A listening server. */
export interface Serving {
  readonly port: number;
  /** Finishes running requests, then closes everything, including connections to the database. */
  readonly stop: () => Promise<void>;
}

/** Waits for the database, brings its schema up to date and listens. @throws StartError */
export async function serve(config: Config, connection: Connection): Promise<Serving> {
  const logger = createLogger(config.logLevel);
  const warn = (words: string) => logger.warn({ context: 'Database' }, words);
  const place = await prepareDatabase(connection, { unsafe: config.database.unsafe, warn });
  const app = await createApp(config, place);
  const server: Server = app.getHttpServer();
  const drain = drainable(server);
  await pair(app.get(DataSource), app.get(BlobStorage));
  if (config.metricsPort !== undefined) collectProcessMetrics();
  await listening(app.listen(config.port, config.host), 'HOST, PORT', `${config.host}:${config.port}`);
  app.get(Sweeper).start();
  await app.get(Webhooks).start();
  await app.get(Jobs).start();
  return {
    port: (server.address() as AddressInfo).port,
    stop: async () => {
      drain();
      await app.close();
    },
  };
}
