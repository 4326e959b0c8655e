import type { Server } from 'node:http';

/** Under the ten seconds that process managers give before they kill. */
const PATIENCE_MS = 9000;
const ROUND_MS = 50;

/**
 * Lets running requests finish and every connection end after its answer, so that clients reconnect elsewhere instead
 * of writing into a socket that is about to go. After nine seconds the rest is cut off.
 */
export function drain(server: Server): void {
  server.prependListener('request', (_request, response) => response.setHeader('Connection', 'close'));
  const idle = setInterval(() => server.closeIdleConnections(), ROUND_MS).unref();
  const last = setTimeout(() => server.closeAllConnections(), PATIENCE_MS).unref();
  server.once('close', () => {
    clearInterval(idle);
    clearTimeout(last);
  });
}
