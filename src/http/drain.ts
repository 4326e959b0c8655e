import type { Server } from 'node:http';

/** Less than the ten seconds that process managers wait before they kill. */
const PATIENCE_MS = 9000;
const ROUND_MS = 50;

/**
 * Lets running requests finish, and closes every connection after its response, so that clients reconnect elsewhere
 * instead of writing to a socket that is about to close. After nine seconds the remaining connections are cut.
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
