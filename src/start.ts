import cluster from 'node:cluster';
import type { Server } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { doubts, loadConfig, type Config } from './config/config.js';
import type { Connection } from './database/data-source.js';
import { EmbeddedPostgres } from './database/embedded-postgres.js';
import { fail } from './fail.js';
import { listening } from './listening.js';
import type { Serving } from './serve.js';
import { makeWritable } from './storage/local/data-directory.js';

// V8 counts the buffers of bodies with the heap, and may set the limit of the heap so low that it marks all of it every
// 150 ms: up to twice the CPU for a chunk. With three times the live heap as the limit it never does (decisions/005).
setFlagsFromString('--heap-growing-percent=200');

/** Starts everything, listens, and stops everything in the reverse order when asked to; ends the process if it cannot. */
export async function start(): Promise<void> {
  await run().catch(fail);
}

async function run(): Promise<void> {
  const config = loadConfig();
  if (cluster.isPrimary) doubts().forEach((doubt) => console.warn(doubt));
  await makeWritable([config.dataDir]);
  // Loading the app takes as long as making a new cluster: both at once, and the first start is under three seconds.
  const [postgres, serving] = await Promise.all([startPostgres(config), loadServer(config)]);
  try {
    const { port, stop } = await serving(postgres?.connection ?? { url: config.database.url ?? '' });
    const metrics = await startMetrics(config);
    stopOnSignal(async () => {
      metrics?.close();
      await stop();
      await postgres?.stop();
    });
    if (cluster.isPrimary) await greet(config, port);
  } catch (error) {
    await postgres?.stop();
    throw error;
  }
}

/** A worker joins the Postgres that its primary has started. */
async function startPostgres({ database, dataDir }: Config): Promise<EmbeddedPostgres | undefined> {
  return database.url ? undefined : await EmbeddedPostgres.start({ dataDir });
}

async function loadServer(config: Config): Promise<(connection: Connection) => Promise<Serving>> {
  if (cluster.isPrimary && config.workers > 1) {
    const { runWorkers } = await import('./workers.js');
    return () => runWorkers(config.workers);
  }
  const { serve } = await import('./serve.js');
  return (connection) => serve(config, connection);
}

/** Of all processes, hence by the first one. */
async function startMetrics(config: Config): Promise<Server | undefined> {
  if (config.metricsPort === undefined || cluster.isWorker) return undefined;
  const { serveMetrics } = await import('./metrics/metrics-server.js');
  const { metricsPort, metricsHost } = config;
  const served = serveMetrics(metricsPort, config);
  return await listening(served, 'METRICS_HOST, METRICS_PORT', `${metricsHost}:${metricsPort}`);
}

async function greet(config: Config, port: number): Promise<void> {
  const { welcome } = await import('./welcome.js');
  console.log(await welcome(config, port));
}

function stopOnSignal(stop: () => Promise<void>): void {
  let stopping = false;
  const onSignal = () => {
    // The second Ctrl-C is from somebody who will not wait.
    if (stopping) process.exit(1);
    stopping = true;
    stop().then(() => process.exit(0), fail);
  };
  process.on('SIGTERM', onSignal);
  // Ctrl-C reaches all processes of a terminal; workers wait for what their primary says.
  process.on('SIGINT', cluster.isPrimary ? onSignal : () => undefined);
}
