// @ts-check
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A TCP proxy that simulates a network failure: cutting it loses what is in transit. */
export class Relay {
  constructor() {
    this.target = 0;
    this.isCut = false;
    /** @type {Set<import('node:net').Socket>} */
    this.sockets = new Set();
    this.server = createServer((client) => this.join(client));
  }

  static async start() {
    const relay = new Relay();
    await once(relay.server.listen(0, '127.0.0.1'), 'listening');
    return relay;
  }

  get port() {
    return /** @type {import('node:net').AddressInfo} */ (this.server.address()).port;
  }

  cut() {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  /** @param {number} target */
  mend(target) {
    this.target = target;
    this.isCut = false;
  }

  stop() {
    this.cut();
    this.server.close();
  }

  /** @param {import('node:net').Socket} client */
  join(client) {
    if (this.isCut) return void client.destroy();
    const pair = [client, connect(this.target, '127.0.0.1')];
    for (const socket of pair) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        for (const other of pair) other.destroy();
      });
    }
    client.pipe(/** @type {import('node:net').Socket} */ (pair[1])).pipe(client);
  }
}
