// @ts-check
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A free port, for a server that has to know its port before it starts. @returns {Promise<number>} */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}

/** Rejects if another process listens on this port of the loopback interface. @param {number} port */
export async function assertFree(port) {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening').catch((error) => {
    throw new Error(`Port ${port} cannot be used: ${error.code}`, { cause: error });
  });
  server.close();
  await once(server, 'close');
}
