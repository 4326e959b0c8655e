import type { Server } from 'node:http';

/** Time for a head, and for a whole request: a chunk at 1 kB/s takes 205 s. */
const HEAD_MS = 10_000;
const REQUEST_MS = 240_000;
/** Longer than the 60 s of nginx and of load balancers: whoever closes first should be the one that sends requests. */
const KEEP_ALIVE_MS = 75_000;
/** How often late ones are looked for. */
const ROUND_MS = 1000;

/** Bounds what a connection may take without giving anything; late requests get a 408 and lose their connection. */
export function limitConnections(server: Server, most: number): void {
  // Read when the server starts to listen; unknown to the types of this version of Node.
  Object.assign(server, { connectionsCheckingInterval: ROUND_MS });
  server.headersTimeout = HEAD_MS;
  server.requestTimeout = REQUEST_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  // Node would drop those past a limit without a word: `strictHead` counts them.
  server.maxHeadersCount = 0;
  server.maxConnections = most;
}
