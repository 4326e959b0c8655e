import cluster from 'node:cluster';
import type { Server } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import type { Config } from './config/config.js';
import { settingWarnings, loadConfig } from './config/load-config.js';
import type { Connection } from './database/data-source.js';
import { EmbeddedPostgres } from './database/embedded/embedded-postgres.js';
import { fail } from './fail.js';
import { listening } from './listening.js';
import type { Serving } from './serve.js';
import { makeWritable } from './storage/local/data-directory.js';

// V8 counts the buffers of bodies as heap, and may limit the heap so tightly that it marks all of it every 150 ms, which
// doubles the CPU time of a chunk. A limit of twice the live heap prevents that (decisions/005).
setFlagsFromString('--heap-growing-percent=100');

/** A signal to all processes of a group comes again from npm, or to a worker from its primary. */
const ECHO_MS = 1000;

/** Starts everything, and stops it in reverse order on a signal. Ends the process if the start fails. */
export async function start(): Promise<void> {
  await run().catch(fail);
}

async function run(): Promise<void> {
  const config = loadConfig();
  if (cluster.isPrimary) settingWarnings().forEach((warning) => console.warn(warning));
  await makeWritable([config.dataDir]);
  // Loading the app takes as long as initializing Postgres, so do both at once: the first start takes under 3 s.
  // A worker joins the Postgres that its primary has started.
  const [postgres, serving] = await Promise.all([EmbeddedPostgres.of(config), loadServer(config)]);
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

async function loadServer(config: Config): Promise<(connection: Connection) => Promise<Serving>> {
  if (cluster.isPrimary && config.workers > 1) {
    const { runWorkers } = await import('./workers.js');
    return () => runWorkers(config.workers);
  }
  const { serve } = await import('./serve.js');
  return (connection) => serve(config, connection);
}

/** The primary serves the metrics of all processes. */
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
  let askedAt: number | undefined;
  const onSignal = () => {
    if (askedAt === undefined) {
      askedAt = performance.now();
      stop().then(() => process.exit(0), fail);
    } else if (cluster.isPrimary && performance.now() - askedAt > ECHO_MS) {
      // A second Ctrl-C ends the processes at once: workers end with their primary.
      process.exit(1);
    }
  };
  process.on('SIGTERM', onSignal);
  // Ctrl-C reaches all processes of a terminal, but the primary stops its workers.
  process.on('SIGINT', cluster.isPrimary ? onSignal : () => undefined);
}
