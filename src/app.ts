import type { Server } from 'node:http';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { SwaggerModule } from '@nestjs/swagger';
import helmet from 'helmet';
import { AppModule } from './app.module.js';
import type { Config } from './config/config.js';
import type { Connection } from './database/data-source.js';
import { answerClientErrors } from './http/connections/client-error.js';
import { servePages } from './demo/pages.js';
import { crossOrigin } from './http/cross-origin.js';
import { faults } from './http/faults.js';
import { inFront } from './http/front.js';
import { limitConnections } from './http/connections/limits.js';
import { createLogger, NestLogger, requestLogging } from './http/logging.js';
import { noStore } from './http/no-store.js';
import { expectationsAsRequests, strictHead } from './http/strict-head.js';
import { boundedPipelining } from './http/connections/pipelining.js';
import { behindProxies, type Trust } from './http/proxies.js';
import { serveSwagger } from './http/swagger.js';
import { requestMetrics } from './metrics/request-metrics.js';
import { DownloadFastPath } from './media/library/files/download-fast-path.js';
import { ChunkFastPath } from './media/uploads/chunks/chunk-fast-path.js';
import metadata from './metadata.js';

/** Creates the app, ready to listen, on a database with an up-to-date schema. Closing it closes its connections. */
export async function createApp(config: Config, connection: Connection): Promise<NestExpressApplication> {
  const logger = createLogger(config.logLevel);
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(config, connection), {
    // Bodies are read after the guard, by pipes that know their limits.
    bodyParser: false,
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  app.disable('x-powered-by');
  // Express would hash every response. Files have their own ETag, and nothing else needs one.
  app.disable('etag');
  app.set('trust proxy', config.trustProxy);
  await SwaggerModule.loadPluginMetadata(metadata);
  serveSwagger(app, config.publicUrl);
  servePages(app);
  const server: Server = app.getHttpServer();
  answerClientErrors(server);
  limitConnections(server, config);
  expectationsAsRequests(server);
  await app.init();
  inFront(server, [
    boundedPipelining,
    requestLogging(logger),
    ...(config.metricsPort === undefined ? [] : [requestMetrics]),
    behindProxies(app.getHttpAdapter().getInstance().get('trust proxy fn') as Trust, config.hsts),
    helmet({
      contentSecurityPolicy: false,
      crossOriginResourcePolicy: { policy: 'cross-origin' },
      strictTransportSecurity: false,
      // These are for old browsers and plug-ins, or for pages.
      originAgentCluster: false,
      xDnsPrefetchControl: false,
      xDownloadOptions: false,
      xPermittedCrossDomainPolicies: false,
      xXssProtection: false,
    }),
    crossOrigin(config.cors.origins, [...config.cors.allowedHeaders, ...(config.isDemo ? ['X-Fault'] : [])]),
    noStore,
    strictHead,
    faults(config.isDemo),
    app.get(ChunkFastPath, { strict: false }).handle,
    app.get(DownloadFastPath, { strict: false }).handle,
  ]);
  return app;
}
