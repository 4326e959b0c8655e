// @ts-check
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { spawnGuarded, temporaryDirectory } from '../cluster/guard.js';
import { freePort } from '../scripts/free-port.js';

const CHECKOUT = resolve(import.meta.dirname, '..');
export const SECRET = 'the fuzzer signs nothing of value with this';

/** The built server as in production, but with high limits, and with access to its database, files and metrics. */
export class Server {
  /**
   * @param {{ child: import('node:child_process').ChildProcess, port: number, metricsPort: number, dir: string, postgres: any, rows: pg.Client }} parts
   */
  constructor({ child, port, metricsPort, dir, postgres, rows }) {
    this.child = child;
    this.port = port;
    this.metricsPort = metricsPort;
    this.dir = dir;
    this.postgres = postgres;
    this.rows = rows;
    this.exit = once(child, 'exit');
  }

  static async start() {
    const dir = temporaryDirectory('mediadock-fuzz-');
    const { EmbeddedPostgres } = await import(
      join(CHECKOUT, 'dist/src/database/embedded/embedded-postgres.js')
    );
    const postgres = await EmbeddedPostgres.start({ dataDir: dir });
    const metricsPort = await freePort();
    const child = spawnGuarded(process.execPath, [join(CHECKOUT, 'dist/src/main.js')], {
      env: environment(dir, metricsPort),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const port = await portOf(child);
    const rows = new pg.Client(postgres.connection);
    await rows.connect();
    return new Server({ child, port, metricsPort, dir, postgres, rows });
  }

  get pid() {
    return this.child.pid ?? 0;
  }

  get running() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async stop() {
    this.child.kill('SIGTERM');
    const code = this.running ? (await this.exit)[0] : this.child.exitCode;
    await this.rows.end();
    await this.postgres.stop();
    await rm(this.dir, { recursive: true, force: true });
    return code;
  }

  /** What the server holds. This must return to its old level when there are no requests. */
  async footprint() {
    const { rows } = await this.rows.query(`SELECT
      (SELECT count(*)::int FROM upload_session) AS sessions,
      (SELECT count(*)::int FROM upload_session WHERE state = 'open') AS open,
      (SELECT count(*)::int FROM media) AS media,
      (SELECT count(*)::int FROM media_click) AS clicks,
      (SELECT count(*)::int FROM upload_part) AS parts`);
    const folders = ['uploads', 'files', 'thumbnails'].map((name) => readdir(join(this.dir, name)));
    const files = (await Promise.all(folders)).flat().length;
    return { ...rows[0], files, descriptors: (await readdir(`/proc/${this.pid}/fd`)).length };
  }

  async residentBytes() {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
  }

  /** Since the last call: the longest delay of the event loop, and how long its thread waited for a CPU. */
  async delays() {
    const answer = await fetch(`http://127.0.0.1:${this.metricsPort}/metrics`);
    const [, lag] = /^nodejs_eventloop_lag_max_seconds ([\d.e+-]+)$/m.exec(await answer.text()) ?? [];
    const [, waited] = (await readFile(`/proc/${this.pid}/task/${this.pid}/schedstat`, 'utf8')).split(' ');
    const waitedMs = Number(waited) / 1e6;
    const since = waitedMs - (this.waitedMs ?? waitedMs);
    this.waitedMs = waitedMs;
    return { lagMs: Number(lag) * 1000, waitedMs: since };
  }
}

/** @param {string} dir @param {number} metricsPort */
function environment(dir, metricsPort) {
  return {
    PATH: process.env['PATH'],
    NODE_ENV: 'production',
    JWT_SECRET: SECRET,
    PUBLIC_URL: 'https://media.example',
    DATA_DIR: dir,
    HOST: '127.0.0.1',
    PORT: '0',
    METRICS_PORT: String(metricsPort),
    LOG_LEVEL: 'error',
    FAILED_TOKENS_PER_MINUTE: '0',
    USER_MAX_OPEN_UPLOADS: '0',
    USER_MAX_RESERVED_BYTES: '0',
    USER_UPLOADS_PER_HOUR: '0',
    ADDRESS_UPLOADS_PER_HOUR: '0',
    // Totals reserve disk space, and hostile ones would reserve all of it.
    DISK_RESERVE_BYTES: '0',
  };
}

/** @param {import('node:child_process').ChildProcess} child @returns {Promise<number>} */
async function portOf(child) {
  let printed = '';
  for await (const text of child.stdout ?? []) {
    printed += text;
    const port = /http:\/\/[^:\s]+:(\d+)/.exec(printed)?.[1];
    if (port && printed.endsWith('\n')) return Number(port);
  }
  throw new Error(`The server ended: ${printed}`);
}
