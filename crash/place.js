// @ts-check
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Postgres } from './postgres.js';
import { environmentOf, Server, TOKEN } from './server.js';
import { directory } from './stores.js';

/** A file is an orphan only when no transaction can still be about to commit its row: for when none is. */
export const SWEEP_NOW = { ORPHAN_AGE_SECONDS: '1', SWEEP_INTERVAL_SECONDS: '1' };

/** Directories of a layer's own with a Postgres and servers, all gone when the layer ends. */
export class Place {
  /** Those there are, for whoever has to clear away in the midst of a run. @type {Set<Place>} */
  static all = new Set();

  /** @param {string} checkout @param {string} root */
  constructor(checkout, root) {
    this.checkout = checkout;
    this.root = root;
    this.dataDir = join(root, 'data');
    this.postgres = new Postgres(checkout, join(root, 'database'));
    /** @type {import('../cluster/postgres-pair.js').PostgresPair | undefined} in the place of `postgres` */
    this.pair = undefined;
    /** @type {import('./stores.js').Store} */
    this.store = directory(this.dataDir);
    /** @type {Server[]} */
    this.servers = [];
    /** Where clients send: the server that is running. */
    this.target = { url: '', token: '' };
    /** @type {import('./disks.js').Disks | undefined} simulated disks that are mounted here */
    this.disks = undefined;
    /** @type {import('./oracles.js').Violation[]} servers that ended though nobody wanted it */
    this.deaths = [];
    Place.all.add(this);
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
    if (!Place.all.has(this)) throw new Error('The harness is being stopped');
    const { checkout, store, target } = this;
    const all = { ...store.settings, ...settings };
    const databaseUrl = this.database.url;
    const server = await Server.start({
      checkout,
      dataDir: await this.ownDirectory(),
      databaseUrl,
      settings: all,
      under,
    });
    this.servers = [...this.servers.filter(({ running }) => running), server];
    Object.assign(target, { url: server.url, token: server.token });
    void server.exit.then(async () => {
      if (target.url === server.url) target.url = '';
      if (server.lastWords !== undefined) await this.replace(server.lastWords);
    });
    return server;
  }

  /** What servers and oracles ask. */
  get database() {
    return this.pair ?? this.postgres;
  }

  /** Over an object store nothing that a server has is of value: each starts with nothing. */
  async ownDirectory() {
    return this.store.settings['STORAGE'] === 's3'
      ? await mkdtemp(join(this.root, 'scratch-'))
      : this.dataDir;
  }

  /** Gives each request to the next server that runs. @returns {import('./http.js').Target} */
  get inTurn() {
    let turn = 0;
    const next = () => {
      const running = this.servers.filter(({ running }) => running);
      return running[turn++ % running.length]?.url ?? '';
    };
    return {
      token: TOKEN,
      get url() {
        return next();
      },
    };
  }

  /** What a process manager does; the end of a server is a violation all the same. @param {string} lastWords */
  async replace(lastWords) {
    this.deaths.push({ kind: 'refused', what: lastWords });
    await this.startServer().catch(() => undefined);
  }

  /** @param {Server} [spared] */
  async killServers(spared) {
    await Promise.all(this.servers.filter((server) => server !== spared).map((server) => server.kill()));
  }

  /** What the server's own check of rows against bytes says; empty when all is well. */
  async fsck() {
    const program = [join(this.checkout, 'dist/src/command.js'), 'fsck'];
    const base = environmentOf(await this.ownDirectory(), this.database.url);
    const env = { ...base, ...this.store.settings, ...SWEEP_NOW };
    const ended = await promisify(execFile)(process.execPath, program, { cwd: this.dataDir, env }).catch(
      (/** @type {{ stdout: string, stderr: string }} */ error) => error,
    );
    return ended instanceof Error ? `${ended.stdout}${ended.stderr}`.trim() : '';
  }

  async remove() {
    if (!Place.all.delete(this)) return;
    this.postgres.closed = true;
    if (this.pair) this.pair.closed = true;
    await this.killServers();
    await this.postgres.stop();
    await this.pair?.stop();
    await this.store.stop();
    await this.disks?.remove();
    await rm(this.root, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * Makes a place, works in it, and clears it away whatever happened.
 * @template T @param {string} checkout @param {(place: Place) => AsyncGenerator<T>} work
 * @param {(place: Place) => Promise<void>} [equip] starts its Postgres, and what else it has
 * @returns {AsyncGenerator<T>}
 */
export async function* inPlace(checkout, work, equip = ({ postgres }) => postgres.start()) {
  const place = await Place.empty(checkout);
  try {
    await equip(place);
    yield* work(place);
  } finally {
    await place.remove();
  }
}
