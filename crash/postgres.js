// @ts-check
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { familyOf, isRunning, signal } from '../cluster/processes.js';

/** Overrides the settings of roles and databases. */
const OWN = '-c search_path=public -c default_transaction_read_only=off -c DateStyle=ISO';

/** A Postgres separate from the server, so that each can be killed alone. */
export class Postgres {
  /** @param {string} checkout @param {string} dataDir */
  constructor(checkout, dataDir) {
    this.checkout = checkout;
    this.dataDir = dataDir;
    /** @type {Promise<any> | undefined} */
    this.embedded = undefined;
    /** The harness is being stopped, so nothing may start any more. */
    this.closed = false;
    this.connection = { host: '', port: 0, user: '', database: '' };
  }

  async start() {
    const built = join(this.checkout, 'dist/src/database/embedded/embedded-postgres.js');
    const { EmbeddedPostgres } = await import(pathToFileURL(built).href);
    if (this.closed) throw new Error('The harness is being stopped');
    this.embedded = EmbeddedPostgres.start({ dataDir: this.dataDir });
    this.connection = (await this.embedded).connection;
  }

  get url() {
    const { host, user, database } = this.connection;
    return `postgresql://${user}@localhost/${database}?host=${encodeURIComponent(host)}`;
  }

  get pid() {
    const file = join(this.dataDir, 'postgres', 'postmaster.pid');
    return Number.parseInt(readFileSync(file, 'utf8'));
  }

  /** kill -9 of the postmaster alone, like the OOM killer. Its children notice and exit. */
  async kill() {
    process.kill(this.pid, 'SIGKILL');
    await this.stop();
  }

  /** kill -9 of all its processes, even frozen ones, so that nothing more reaches the disk. */
  async killAll() {
    const family = familyOf(this.pid);
    // Before the kill, because the guard would restart a Postgres that ends by itself.
    const stopping = this.stop();
    for (const pid of family) signal(pid, 'SIGKILL');
    while (family.some(isRunning)) await sleep(5);
    await stopping;
  }

  /** Signals the postmaster first: once frozen, it forks no more children. */
  freeze() {
    signal(this.pid, 'SIGSTOP');
    for (const pid of familyOf(this.pid)) signal(pid, 'SIGSTOP');
  }

  async stop() {
    const { embedded } = this;
    this.embedded = undefined;
    // Waits for a Postgres that is just starting.
    await (await embedded?.catch(() => undefined))?.stop();
  }

  /** @template {pg.QueryResultRow} R @param {string} text @param {unknown[]} [values] @returns {Promise<R[]>} */
  async query(text, values = []) {
    const client = new pg.Client({ ...this.connection, options: OWN });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(text, values)).rows;
    } finally {
      await client.end();
    }
  }
}
