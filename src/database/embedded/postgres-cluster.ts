import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readFileSync } from 'node:fs';
import { renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { hasCode } from '../../errors/has-code.js';
import { EmbeddedPostgresError } from './postgres-error.js';
import { ENVIRONMENT, type PostgresUser } from './postgres-user.js';

const INITDB = ['--auth=trust', '--username=mediadock', '--encoding=UTF8', '--locale=C', '--data-checksums'];
const FAST_SHUTDOWN_MS = 8000;
const SHUTDOWN_MS = 20_000;
/** More than any system's highest process id. */
const NO_PROCESS = '2147483647';

/** A running postmaster, as it describes itself. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly socketDir: string;
  readonly status: 'starting' | 'ready' | 'stopping' | (string & {});
}

/** The directory that Postgres keeps its data in. */
export class PostgresCluster {
  constructor(readonly directory: string) {}

  /** Creates the cluster atomically if there is none. If several processes try, one wins. */
  async initialize(initdb: string, user: PostgresUser, sync: boolean): Promise<void> {
    if (existsSync(this.directory)) return;
    const parent = dirname(this.directory);
    const temporary = await mkdtemp(join(parent, `${basename(this.directory)}.new-`));
    user.own(temporary);
    const problem = await user.run(initdb, [...INITDB, ...(sync ? [] : ['--no-sync']), '-D', temporary]);
    if (!problem) await rename(temporary, this.directory).catch(() => undefined);
    if (!existsSync(this.directory))
      throw new EmbeddedPostgresError(`Postgres could not create its database:\n${problem}`);
    syncDirectory(parent);
    await this.removeLeftovers(parent);
  }

  /** The contents of postmaster.pid, which may be a leftover. */
  postmaster(): Postmaster | undefined {
    const [pid, , , port, socketDir = '', , , status = ''] = read(this.pidFile)?.split('\n') ?? [];
    if (!pid) return undefined;
    return { pid: Number(pid), port: Number(port), socketDir, status: status.trim() };
  }

  /** Whether this very process is the postmaster of this cluster. */
  async isRunBy(pid: number): Promise<boolean> {
    const command = await commandOf(pid);
    const end = command.indexOf(` -D ${this.directory} `);
    // The guard's command line contains the same words.
    return !command.startsWith('/bin/sh ') && command.slice(0, Math.max(end, 0)).endsWith('/postgres');
  }

  /** Resolves when that postmaster has ended. */
  async shutDown(pid: number): Promise<void> {
    const start = Date.now();
    while (await this.isRunBy(pid)) {
      const elapsed = Date.now() - start;
      if (elapsed > SHUTDOWN_MS)
        throw new EmbeddedPostgresError(`Postgres (process ${pid}) does not stop: stop it by hand.`);
      signal(pid, elapsed > FAST_SHUTDOWN_MS ? 'SIGQUIT' : 'SIGINT');
      await sleep(20);
    }
  }

  /**
   * After a crash, Postgres trusts a leftover lock file if its process id now belongs to another process of the same
   * user, and gives up on an empty one. Writes an impossible process id into both. The rest stays, because Postgres
   * needs it to find out whether old processes still use the shared memory.
   */
  async disownLocks(socketDir: string): Promise<void> {
    for (const lock of [this.pidFile, join(socketDir, '.s.PGSQL.5432.lock')]) {
      const text = read(lock);
      if (text !== undefined && !(await this.isRunBy(Number.parseInt(text)))) disown(lock, text);
    }
  }

  private get pidFile(): string {
    return join(this.directory, 'postmaster.pid');
  }

  private async removeLeftovers(parent: string): Promise<void> {
    const names = await readdir(parent);
    const leftovers = names.filter((name) => name.startsWith(`${basename(this.directory)}.new-`));
    for (const name of leftovers)
      await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Another process may start Postgres at any time. If its lock file is renamed by mistake, it is put back unchanged. */
function disown(lock: string, stale: string): void {
  const taken = `${lock}.${randomUUID()}`;
  try {
    renameSync(lock, taken);
    if (read(taken) === stale) writeFileSync(taken, stale.replace(/^\d*/, NO_PROCESS));
    linkSync(taken, lock);
  } catch {
    // Another process has removed or replaced it meanwhile.
  }
  if (existsSync(taken)) unlinkSync(taken);
}

async function commandOf(pid: number): Promise<string> {
  if (!(pid > 0)) return '';
  if (process.platform === 'linux') {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return command.replaceAll('\0', ' ');
  }
  const args = ['-ww', '-o', 'command=', '-p', `${pid}`];
  const { stdout } = await promisify(execFile)('ps', args, { env: ENVIRONMENT }).catch(() => ({
    stdout: '',
  }));
  return stdout;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has just ended.
  }
}

/** The lock file; undefined if there is none, since Postgres may remove it at any moment. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  fsyncSync(directory);
  closeSync(directory);
}
