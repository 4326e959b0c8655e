import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { AggregatorRegistry, collectDefaultMetrics, register } from 'prom-client';
import type { Config } from '../config/config.js';

/** Workers send their metrics to the primary through this. It must exist in both before the first request. */
const workers = new AggregatorRegistry();

/** Metrics of the process itself: memory, event loop, descriptors. */
export function collectProcessMetrics(): void {
  collectDefaultMetrics();
}

/** Serves the metrics of all processes to Prometheus, on a separate port that need not be public. */
export async function serveMetrics(port: number, { metricsHost, workers: count }: Config): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end();
    const text = count > 1 ? workers.clusterMetrics() : register.metrics();
    text.then(
      (body) => response.writeHead(200, { 'Content-Type': register.contentType }).end(body),
      (error: Error) => response.writeHead(503, { 'Content-Type': 'text/plain' }).end(error.message),
    );
  });
  server.listen(port, metricsHost);
  await once(server, 'listening');
  return server;
}
