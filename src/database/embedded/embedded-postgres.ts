import { closeSync, mkdirSync, realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Config } from '../../config/config.js';
import type { Postmaster } from './postgres-cluster.js';
import { EmbeddedPostgresError } from './postgres-error.js';
import { MIN_CONNECTIONS, PostgresServer, type Settings } from './postgres-server.js';

export { EmbeddedPostgresError } from './postgres-error.js';

interface EmbeddedPostgresOptions {
  readonly dataDir: string;
  /** Server settings. They apply only if this call starts Postgres instead of joining it. */
  readonly settings?: Settings;
}

interface PostgresConnection {
  /** Directory of the Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

const USER = 'mediadock';
/** The one that initdb creates: another one would slow a first start down by a quarter of a second. */
const DATABASE = 'postgres';
/** A process that replaces a worker, and a command. */
const OTHERS = 2;
/** One connection listens for jobs, and two examine Postgres when a process starts. */
const BESIDES_POOL = 3;
const POLL_MS = 20;
const START_MS = 20_000;
/** After a power cut, Postgres replays its WAL before it is ready. */
const RECOVERY_MS = 600_000;
/** Messages of Postgres while another one, or what is left of it, uses the cluster. Worth a retry. */
const OCCUPIED = /already exists|is still in use/;

/** How soon the unexpected end of Postgres is noticed. */
const WATCH_MS = 200;

/** A hold on a running postmaster: the open descriptor that keeps its guard from stopping it. */
interface Hold {
  readonly postmaster: Postmaster;
  readonly descriptor: number;
}

/**
 * The Postgres of a data directory. All processes that use the directory share it, and it stops with the last of them.
 * If it ends by itself (a crash, the OOM killer), it is restarted at the same address.
 */
export class EmbeddedPostgres {
  readonly connection: PostgresConnection;
  private readonly watcher: NodeJS.Timeout;
  private revival: Promise<void> | undefined;
  private hold: Hold | undefined;

  private constructor(
    private readonly server: PostgresServer,
    private readonly settings: Settings,
    hold: Hold,
  ) {
    this.hold = hold;
    this.connection = connectionTo(hold.postmaster);
    this.watcher = setInterval(() => this.watch(), WATCH_MS).unref();
  }

  /** The Postgres of a server with these settings, with connections for all of its processes; undefined with a URL. */
  static async of({ database, dataDir, workers }: Config): Promise<EmbeddedPostgres | undefined> {
    if (database.url !== undefined) return undefined;
    const connections = (workers + OTHERS) * (database.poolSize + BESIDES_POOL);
    const settings = { max_connections: `${Math.max(MIN_CONNECTIONS, connections)}` };
    return await EmbeddedPostgres.start({ dataDir, settings });
  }

  /** Starts, or joins, the Postgres of a data directory and waits until it accepts connections. */
  static async start({ dataDir, settings = {} }: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    if (process.platform === 'win32') {
      throw new EmbeddedPostgresError('There is no embedded Postgres for Windows: set DATABASE_URL.');
    }
    try {
      mkdirSync(dataDir, { recursive: true });
      const server = new PostgresServer(realpathSync(dataDir));
      return new EmbeddedPostgres(server, settings, await acquire(server, settings));
    } catch (error) {
      throw explained(error, dataDir);
    }
  }

  /** Releases our hold. If it was the last one, resolves when Postgres has stopped, otherwise at once. */
  async stop(): Promise<void> {
    clearInterval(this.watcher);
    await this.revival;
    if (this.hold === undefined) return;
    const { postmaster, descriptor } = this.hold;
    closeSync(descriptor);
    this.hold = undefined;
    const { guard, cluster } = this.server;
    while (guard.isAlive()) {
      if (guard.isHeld()) return;
      await sleep(POLL_MS);
    }
    await cluster.shutDown(postmaster.pid);
  }

  private watch(): void {
    if (this.revival !== undefined || this.hold === undefined || this.server.guard.isAlive()) return;
    // Errors are retried at the next check. Meanwhile the app reports that it is not ready.
    this.revival = this.revive(this.hold.descriptor)
      .catch(ignore)
      .finally(() => (this.revival = undefined));
  }

  private async revive(old: number): Promise<void> {
    this.hold = await acquire(this.server, this.settings);
    closeSync(old);
  }
}

/** Joins the Postgres that is running or starts one, and waits until it answers. */
async function acquire(server: PostgresServer, settings: Settings): Promise<Hold> {
  const deadline = Date.now() + START_MS;
  for (;;) {
    const joined = server.guard.join();
    const descriptor = joined ?? (await server.launch(settings));
    if (descriptor === undefined) continue;
    const postmaster = await untilReady(server).catch((error: unknown) => {
      closeSync(descriptor);
      throw error;
    });
    if (postmaster) return { postmaster, descriptor };
    closeSync(descriptor);
    const hopeless = joined === undefined && !OCCUPIED.test(server.lastWords());
    if (hopeless || Date.now() > deadline) throw failure(server);
  }
}

/** Waits until Postgres answers. Undefined if it will not, because its guard is stopping it or time is up. */
async function untilReady(server: PostgresServer): Promise<Postmaster | undefined> {
  const start = Date.now();
  while (server.guard.isAlive()) {
    const postmaster = server.cluster.postmaster();
    // In this order: if the guard is alive after the answer, it has not begun to stop Postgres.
    const ready = postmaster?.status === 'ready' && (await answers(connectionTo(postmaster)));
    if (ready && server.guard.isAlive()) return postmaster;
    const limit = postmaster?.status === 'starting' ? RECOVERY_MS : START_MS;
    if (Date.now() - start > limit) return undefined;
    await sleep(POLL_MS);
  }
  return undefined;
}

async function answers(connection: PostgresConnection): Promise<boolean> {
  try {
    await query(connection, 'SELECT 1');
    return true;
  } catch {
    return false;
  }
}

async function query(connection: PostgresConnection, text: string): Promise<void> {
  const client = new pg.Client({ ...connection, ssl: false, connectionTimeoutMillis: 5000 });
  client.on('error', ignore);
  try {
    await client.connect();
    await client.query(text);
  } finally {
    await client.end().catch(ignore);
  }
}

function connectionTo({ socketDir, port }: Postmaster): PostgresConnection {
  return { host: socketDir, port, user: USER, database: DATABASE };
}

function failure(server: PostgresServer): EmbeddedPostgresError {
  const advice = 'Fix the problem, choose another DATA_DIR, or set DATABASE_URL.';
  return new EmbeddedPostgresError(
    `Postgres failed to start. ${advice} The end of ${server.log}:\n${server.lastWords()}`,
  );
}

/** Turns system errors into messages for operators. Bugs stay as they are. */
function explained(error: unknown, dataDir: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  const advice = 'Check that the directory is yours and on a local disk, or set DATABASE_URL.';
  return new EmbeddedPostgresError(`The Postgres in ${dataDir} cannot be used: ${message}. ${advice}`, {
    cause: error,
  });
}

function ignore(): void {
  // The next poll shows the result.
}
