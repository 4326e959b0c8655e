import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { testServer } from './test-server.js';

/** Has the Postgres of the test run, which listens on a socket alone, listen on a port of this machine too. */
export async function listenForPostgres(port: number): Promise<() => Promise<void>> {
  const { host, port: number } = testServer().connection;
  const server = createServer((client) => {
    const postgres = connect(join(host, `.s.PGSQL.${number}`));
    for (const socket of [client, postgres])
      socket.on('error', () => [client, postgres].map((s) => s.destroy()));
    client.pipe(postgres).pipe(client);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return async () => {
    server.close();
    await once(server, 'close');
  };
}
