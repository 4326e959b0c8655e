import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Less than the ten seconds that process managers wait before they kill. */
const PATIENCE_MS = 9000;
const ROUND_MS = 50;

/**
 * Returns a function that lets running requests finish, and closes every connection after its response, so that clients
 * reconnect elsewhere instead of writing to a socket that is about to close. After nine seconds the remaining
 * connections are cut. Call this before the server listens.
 */
export function drainable(server: Server): () => void {
  let draining = false;
  const lastOf = new Map<Socket, ServerResponse>();
  server.prependListener('request', ({ socket }, response) => {
    // When the connection ends, because a pipelined response may end without an event.
    if (!lastOf.has(socket)) socket.once('close', () => lastOf.delete(socket));
    lastOf.set(socket, response);
    if (draining) closeAfter(response);
  });
  return () => {
    draining = true;
    // Only after the last response, because pipelined ones after it would be lost.
    lastOf.forEach(closeAfter);
    const idle = setInterval(() => server.closeIdleConnections(), ROUND_MS).unref();
    const last = setTimeout(() => server.closeAllConnections(), PATIENCE_MS).unref();
    server.once('close', () => {
      clearInterval(idle);
      clearTimeout(last);
    });
  };
}

function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}
