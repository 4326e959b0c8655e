// @ts-check
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnGuarded, temporaryDirectory } from '../cluster/guard.js';
import { freePort } from '../scripts/free-port.js';

const PATHS = [
  '/usr/sbin/pgbouncer',
  '/usr/bin/pgbouncer',
  '/usr/local/bin/pgbouncer',
  '/opt/homebrew/bin/pgbouncer',
];
const START_MS = 10_000;

/** A PgBouncer in front of a Postgres. */
export class PgBouncer {
  /** @param {string} directory @param {number} port @param {import('node:child_process').ChildProcess} child */
  constructor(directory, port, child) {
    this.directory = directory;
    this.port = port;
    this.child = child;
    this.exit = once(child, 'exit');
  }

  /** Why PgBouncer cannot run here, or undefined if it can. */
  static get missing() {
    return PATHS.some((path) => existsSync(path)) ? undefined : 'there is no pgbouncer';
  }

  /**
   * Other settings have their defaults. @param {{ host: string, port: number, user: string }} postgres
   * @param {Record<string, string | number>} [settings]
   */
  static async start({ host, port: postgresPort, user }, settings = {}) {
    const directory = temporaryDirectory('mediadock-pgbouncer-');
    await chmod(directory, 0o755);
    const port = await freePort();
    const own = { listen_addr: '127.0.0.1', listen_port: port, unix_socket_dir: '', auth_type: 'any' };
    const lines = Object.entries({ ...own, ...settings }).map(([name, value]) => `${name} = ${value}`);
    const database = `* = host=${host} port=${postgresPort} user=${user}`;
    const file = join(directory, 'pgbouncer.ini');
    await writeFile(file, `[databases]\n${database}\n[pgbouncer]\n${lines.join('\n')}\n`);
    // PgBouncer refuses to run as root, and only the owner of the socket may use it.
    const as = process.geteuid?.() === 0 ? ['-u', host.startsWith('/') ? ownerOf(host) : 'nobody'] : [];
    const program = PATHS.find((path) => existsSync(path)) ?? 'pgbouncer';
    const child = spawnGuarded(program, ['-q', ...as, file], {
      cwd: '/',
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    const bouncer = new PgBouncer(directory, port, child);
    await bouncer.untilReady();
    return bouncer;
  }

  /** @param {string} user @param {string} database */
  url(user, database) {
    return `postgresql://${user}@127.0.0.1:${this.port}/${database}`;
  }

  async stop() {
    this.child.kill('SIGKILL');
    await this.exit;
    await rm(this.directory, { recursive: true });
  }

  async untilReady() {
    for (const deadline = Date.now() + START_MS; !(await accepts(this.port)); await sleep(20)) {
      if (this.child.exitCode === null && Date.now() < deadline) continue;
      await this.stop();
      throw new Error('PgBouncer failed to start');
    }
  }
}

/** @param {string} path */
function ownerOf(path) {
  return execFileSync('id', ['-nu', String(statSync(path).uid)], { encoding: 'utf8' }).trim();
}

/** @param {number} port @returns {Promise<boolean>} */
async function accepts(port) {
  const socket = connect(port, '127.0.0.1');
  const accepted = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return accepted;
}
