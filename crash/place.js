// @ts-check
import { chmod, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Postgres } from './postgres.js';
import { Server } from './server.js';

/** Directories of a layer's own with a Postgres and servers, all gone when the layer ends. */
export class Place {
  /** @param {string} checkout @param {string} root */
  constructor(checkout, root) {
    this.checkout = checkout;
    this.root = root;
    this.dataDir = join(root, 'data');
    this.postgres = new Postgres(checkout, join(root, 'database'));
    /** @type {Server[]} */
    this.servers = [];
    /** Where clients send: the server that is running. */
    this.target = { url: '', token: '' };
  }

  /** Directories alone. @param {string} checkout */
  static async empty(checkout) {
    const root = await realpath(await mkdtemp(join(tmpdir(), 'mediadock-crash-')));
    // Postgres does not run as root, and its user has to pass here.
    await chmod(root, 0o755);
    const place = new Place(checkout, root);
    await mkdir(place.dataDir);
    await mkdir(place.postgres.dataDir);
    return place;
  }

  /** The first server is where clients send. @param {Record<string, string>} [settings] @param {readonly string[]} [under] */
  async startServer(settings = {}, under = []) {
    const { checkout, dataDir, postgres, target } = this;
    const server = await Server.start({ checkout, dataDir, databaseUrl: postgres.url, settings, under });
    this.servers = [...this.servers.filter(({ running }) => running), server];
    Object.assign(target, { url: server.url, token: server.token });
    void server.exit.then(() => {
      if (target.url === server.url) target.url = '';
    });
    return server;
  }

  async killServers() {
    await Promise.all(this.servers.map((server) => server.kill()));
  }

  async remove() {
    await this.killServers();
    await this.postgres.stop();
    await rm(this.root, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Makes a place, works in it, and clears it away whatever happened. @template T @param {string} checkout @param {(place: Place) => AsyncGenerator<T>} work @returns {AsyncGenerator<T>} */
export async function* inPlace(checkout, work) {
  const place = await Place.empty(checkout);
  try {
    await place.postgres.start();
    yield* work(place);
  } finally {
    await place.remove();
  }
}
