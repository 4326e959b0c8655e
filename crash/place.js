// @ts-check
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../cluster/guard.js';
import { Postgres } from './postgres.js';
import { environmentOf, Server, TOKEN } from './server.js';
import { directory } from './stores.js';

/** Makes files orphans after a second. Use it only when no transaction can still commit their rows. */
export const SWEEP_NOW = { ORPHAN_AGE_SECONDS: '1', SWEEP_INTERVAL_SECONDS: '1' };

/** The directories, Postgres and servers of a layer. All are removed when the layer ends. */
export class Place {
  /** All places, for a cleanup in the middle of a run. @type {Set<Place>} */
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
    /** @type {Set<Server>} */
    this.starting = new Set();
    /** Where clients send requests: the running server. */
    this.target = { url: '', token: '' };
    /** @type {import('./disks.js').Disks | undefined} simulated disks that are mounted here */
    this.disks = undefined;
    /** @type {import('./oracles.js').Violation[]} servers that ended though nobody wanted it */
    this.deaths = [];
    Place.all.add(this);
  }

  /** Creates only the directories. @param {string} checkout */
  static async empty(checkout) {
    const root = await realpath(temporaryDirectory('mediadock-crash-'));
    // Postgres runs as another user if we are root, and that user must be able to enter the directory.
    await chmod(root, 0o755);
    const place = new Place(checkout, root);
    await mkdir(place.dataDir);
    await mkdir(place.postgres.dataDir);
    return place;
  }

  /**
   * Clients send requests to the first server.
   * @param {Record<string, string>} [settings] @param {readonly string[]} [under]
   */
  async startServer(settings = {}, under = []) {
    if (!Place.all.has(this)) throw new Error('The harness is being stopped');
    const { checkout, store, target } = this;
    const all = { ...store.settings, ...settings };
    const databaseUrl = this.database.url;
    const dataDir = await this.ownDirectory();
    const server = Server.launch({ checkout, dataDir, databaseUrl, settings: all, under });
    this.starting.add(server);
    await server.untilReady().finally(() => this.starting.delete(server));
    this.servers = [...this.servers.filter(({ running }) => running), server];
    Object.assign(target, { url: server.url, token: server.token });
    void server.exit.then(async () => {
      if (target.url === server.url) target.url = '';
      if (server.lastWords !== undefined) await this.replace(server.lastWords);
    });
    return server;
  }

  /** The Postgres of servers and oracles. */
  get database() {
    return this.pair ?? this.postgres;
  }

  /** With an object store, servers keep nothing, so each starts with an empty directory. */
  async ownDirectory() {
    return this.store.settings['STORAGE'] === 's3'
      ? await mkdtemp(join(this.root, 'scratch-'))
      : this.dataDir;
  }

  /** Sends each request to the next running server. @returns {import('./http.js').Target} */
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

  /** Restarts a server, like a process manager. That it ended is a violation all the same. @param {string} lastWords */
  async replace(lastWords) {
    this.deaths.push({ kind: 'refused', what: lastWords });
    await this.startServer().catch(() => undefined);
  }

  /** @param {Server} [spared] */
  async killServers(spared) {
    await Promise.all(this.servers.filter((server) => server !== spared).map((server) => server.kill()));
  }

  /** Output of fsck; empty if it found nothing. */
  async fsck() {
    const program = [join(this.checkout, 'dist/src/command.js'), 'fsck'];
    const base = environmentOf(await this.ownDirectory(), this.database.url);
    const env = { ...base, ...this.store.settings, ...SWEEP_NOW };
    const ended = await promisify(execFile)(process.execPath, program, { cwd: this.dataDir, env }).catch(
      (/** @type {Error & { stdout: string, stderr: string }} */ error) => error,
    );
    return ended instanceof Error ? `${ended.stdout}${ended.stderr}`.trim() || ended.message : '';
  }

  async remove() {
    if (!Place.all.delete(this)) return;
    this.postgres.closed = true;
    if (this.pair) this.pair.closed = true;
    for (const server of this.starting) await server.kill();
    await this.killServers();
    await this.postgres.stop();
    await this.pair?.stop();
    await this.store.stop();
    await this.disks?.remove();
    await rm(this.root, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * Creates a place, works in it, and removes it in any case.
 * @template T @param {string} checkout @param {(place: Place) => AsyncGenerator<T>} work
 * @param {(place: Place) => Promise<void>} [equip] starts its Postgres and anything else
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
