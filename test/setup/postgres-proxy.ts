import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { testServer } from './test-server.js';

/** Has the Postgres of the test run, which listens on a socket alone, listen on a port of this machine too, until it is closed. */
export async function listenForPostgres(port: number): Promise<() => Promise<void>> {
  const { host, port: number } = testServer().connection;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const pair = [client, connect(join(host, `.s.PGSQL.${number}`))] as const;
    for (const socket of pair) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        for (const other of pair) other.end();
      });
    }
    client.pipe(pair[1]).pipe(client);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return async () => {
    server.close();
    for (const socket of open) socket.destroy();
    await once(server, 'close');
  };
}
