// @ts-check
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../scripts/free-port.js';
import { spawnGuarded, temporaryDirectory } from './guard.js';
import { documentedSite, Nginx } from './nginx.js';

const READY_MS = 60_000;

/**
 * @typedef {object} ClusterOptions
 * @property {string} checkout with the built server
 * @property {string} databaseUrl
 * @property {Record<string, string>} [settings] of every server. Without an object store, all share one DATA_DIR
 * @property {number} [servers]
 * @property {number} [port] of the proxy
 *
 * @typedef {{ port: number, dataDir: string, child: import('node:child_process').ChildProcess | undefined }} Member
 */

/** Servers behind a round-robin nginx, with one Postgres and one store. */
export class Cluster {
  /** @param {string} root @param {ClusterOptions} options @param {number} port @param {readonly Member[]} members */
  constructor(root, options, port, members) {
    this.root = root;
    this.options = options;
    this.url = `http://localhost:${port}`;
    this.port = port;
    this.members = members;
    /** @type {Nginx | undefined} */
    this.nginx = undefined;
    this.stopping = false;
  }

  /** Resolves once every server is ready. @param {ClusterOptions} options */
  static async start(options) {
    const root = temporaryDirectory('mediadock-cluster-');
    const isShared = options.settings?.['STORAGE'] !== 's3';
    const members = await Promise.all(
      Array.from({ length: options.servers ?? 2 }, async (_, index) => {
        const dataDir = join(root, isShared ? 'data' : `scratch-${index + 1}`);
        await mkdir(dataDir, { recursive: true });
        return { port: await freePort(), dataDir, child: undefined };
      }),
    );
    // All servers share one JWT secret.
    const secret = randomBytes(32).toString('base64url');
    for (const { dataDir } of members) await writeFile(join(dataDir, 'jwt-secret'), secret, { mode: 0o600 });
    const cluster = new Cluster(root, options, options.port ?? (await freePort()), members);
    try {
      await cluster.run();
      const servers = members.map(({ port }) => `127.0.0.1:${port}`);
      cluster.nginx = await Nginx.start(cluster.port, await documentedSite(servers));
      await cluster.until(cluster.port, () => cluster.nginx?.child.exitCode === null);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** Starts the servers that are not running. Resolves once all are ready. */
  async run() {
    for (const member of this.members) if (!member.child) this.launch(member);
    await Promise.all(
      this.members.map((member) => this.until(member.port, () => member.child !== undefined)),
    );
  }

  /** Signals every server, and resolves when all have ended. @param {NodeJS.Signals} [signal] */
  async kill(signal = 'SIGKILL') {
    await Promise.all(
      this.members.map(async (member) => {
        const { child } = member;
        member.child = undefined;
        if (!child || child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill(signal);
        await gone;
      }),
    );
  }

  async stop() {
    this.stopping = true;
    await this.kill('SIGTERM');
    await this.nginx?.stop();
    await rm(this.root, { recursive: true, force: true, maxRetries: 3 });
  }

  /** @param {Member} member */
  launch(member) {
    const { checkout, databaseUrl, settings } = this.options;
    const env = {
      PATH: process.env['PATH'],
      HOST: '127.0.0.1',
      PORT: String(member.port),
      DATA_DIR: member.dataDir,
      DATABASE_URL: databaseUrl,
      PUBLIC_URL: this.url,
      TRUST_PROXY: 'loopback',
      LOG_LEVEL: 'error',
      // Otherwise the SDK warns about old versions of Node.js in each process.
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
      ...settings,
    };
    const program = join(checkout, 'dist/src/main.js');
    const child = spawnGuarded(process.execPath, [program], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    member.child = child;
    // Restarts a server that was killed from outside, as a process manager would.
    child.once('exit', () => {
      if (member.child !== child) return;
      member.child = undefined;
      if (child.signalCode !== null && !this.stopping) this.launch(member);
    });
  }

  /** @param {number} port @param {() => boolean} isAlive */
  async until(port, isAlive) {
    for (const deadline = Date.now() + READY_MS; ; await sleep(50)) {
      const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer?.ok) return;
      if (!isAlive() || this.stopping || Date.now() > deadline)
        throw new Error(`The server on port ${port} did not become ready`);
    }
  }
}
