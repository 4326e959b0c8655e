import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { testServer } from './test-server.js';

interface Certificate {
  readonly key: Buffer;
  readonly cert: Buffer;
}

/**
 * Has the Postgres of the test run, which listens on a socket alone, listen on a port of this machine too, until it is closed.
 * @param certificate for a Postgres that speaks TLS
 */
export async function listenForPostgres(
  port: number,
  certificate?: Certificate,
): Promise<() => Promise<void>> {
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
    if (certificate) return void client.once('data', () => encrypt(client, certificate, pair[1]));
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

/** The answer to an SSLRequest, which is the first message of a client. */
function encrypt(client: Socket, certificate: Certificate, postgres: Socket): void {
  client.write('S');
  const plain = new TLSSocket(client, { ...certificate, isServer: true });
  plain.on('error', () => client.destroy());
  plain.pipe(postgres).pipe(plain);
}
