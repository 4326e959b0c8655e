import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Time for a head, and for a whole request: a chunk at 1 kB/s takes 205 s. */
const HEAD_MS = 10_000;
const REQUEST_MS = 240_000;
/** How often late requests are looked for. */
const ROUND_MS = 1000;

/** A response ends if nothing was sent for six rounds, half a minute. */
const STALL_ROUND_MS = 5000;
const STALL_ROUNDS = 6;

interface Limits {
  readonly maxConnections: number;
  readonly keepAliveSeconds: number;
}

/** Limits idle and slow connections. Late requests get a 408, and their connection is closed. */
export function limitConnections(server: Server, { maxConnections, keepAliveSeconds }: Limits): void {
  // Read when the server starts to listen; unknown to the types of this version of Node.
  Object.assign(server, { connectionsCheckingInterval: ROUND_MS });
  server.headersTimeout = HEAD_MS;
  server.requestTimeout = REQUEST_MS;
  server.keepAliveTimeout = keepAliveSeconds * 1000;
  // Node would silently drop headers above a limit. `strictHead` counts them instead.
  server.maxHeadersCount = 0;
  closeBeyond(server, maxConnections);
  server.setTimeout(STALL_ROUND_MS, endStalled(server));
}

/** With `server.maxConnections`, a worker returns connections to the primary, which passes them on for ever. */
function closeBeyond(server: Server, max: number): void {
  let open = 0;
  server.on('connection', (socket) => {
    open++;
    socket.once('close', () => open--);
    if (open > max) socket.destroy();
  });
}

/**
 * Ends connections whose client does not read, because their responses stay in memory. Node emits `timeout` when
 * nothing went in or out for a round.
 */
function endStalled(server: Server): (socket: Socket) => void {
  const stalls = new WeakMap<Socket, { rounds: number; at: number }>();
  return (socket) => {
    const { timeout: round = 0 } = socket;
    // Between two requests, it is the keep-alive timeout.
    if (round !== server.timeout) return void socket.destroy();
    // The client waits for us, or we for the rest of a request, which has its own limits.
    if (socket.writableLength === 0) return;
    const now = performance.now();
    const before = stalls.get(socket);
    // A gap means that something was sent meanwhile.
    const rounds = before && now - before.at < 1.5 * round ? before.rounds + 1 : 1;
    if (rounds >= STALL_ROUNDS) return void socket.destroy();
    stalls.set(socket, { rounds, at: now });
    socket.setTimeout(round);
  };
}
