// @ts-check
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { familyOf, isRunning, signal } from '../cluster/processes.js';

/** Over whatever a role or a database was told to have. */
const OWN = '-c search_path=public -c default_transaction_read_only=off -c DateStyle=ISO';

/** A Postgres of the harness's own, apart from the server, so that each can be killed alone. */
export class Postgres {
  /** @param {string} checkout @param {string} dataDir */
  constructor(checkout, dataDir) {
    this.checkout = checkout;
    this.dataDir = dataDir;
    /** @type {Promise<any> | undefined} */
    this.embedded = undefined;
    /** The harness is being stopped: nothing starts any more. */
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

  /** kill -9 of the postmaster alone, as the system short of memory would; its children notice and end. */
  async kill() {
    process.kill(this.pid, 'SIGKILL');
    await this.stop();
  }

  /** kill -9 of every process of it, frozen ones too: nothing more reaches the disk. */
  async killAll() {
    const family = familyOf(this.pid);
    // First, and in the same breath: it would start a Postgres anew that ended without being asked to.
    const stopping = this.stop();
    for (const pid of family) signal(pid, 'SIGKILL');
    while (family.some(isRunning)) await sleep(5);
    await stopping;
  }

  /** The postmaster comes first: a frozen one has no more children. */
  freeze() {
    signal(this.pid, 'SIGSTOP');
    for (const pid of familyOf(this.pid)) signal(pid, 'SIGSTOP');
  }

  async stop() {
    const { embedded } = this;
    this.embedded = undefined;
    // One that is only just starting is waited for.
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
