import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { isDatabaseAway, wordsOf } from '../errors/database-errors.js';
import { streamOf } from './session.js';

export const IS_STANDBY = 'it is a read-only standby';

/** A server that accepts writes. */
interface Writable {
  readonly host: string;
  readonly port: number;
  /** Each promotion starts a new one. */
  readonly timeline: string;
}

type Connected = ((error: Error) => void) | ((error: null, client: pg.Client) => void);

const PROBE = `
  SELECT pg_is_in_recovery() AS "isStandby",
    CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline`;

/** Together with connecting, shorter than a request waits for a client of the pool. */
const PROBE_MS = 1500;
/** How long to wait for further answers after the first one. */
const GRACE_MS = 200;
const FRESH_MS = 500;
const WATCH_MS = 1000;

/**
 * Finds the one of several Postgres servers that accepts writes: for every new connection, and every second while there
 * are connections, since those to a frozen server would hang. If two accept writes, because a lost primary has come
 * back, the one that was promoted last wins.
 */
export class Primary {
  private readonly clients = new Map<pg.Client, Writable>();
  private readonly watch = () => void this.find().catch(ignore);
  private timer: NodeJS.Timeout | undefined;
  private search: Promise<Writable> | undefined;
  /** The latest timeline that was seen. */
  private timeline = '';
  private found: { readonly server: Writable; readonly at: number } | undefined;

  constructor(private readonly urls: readonly string[]) {}

  /** The client class for a pool: connects to the server that accepts writes, whatever its options say. */
  get Client(): typeof pg.Client {
    const place = (client: pg.Client) => this.place(client);
    return class extends pg.Client {
      override connect(): Promise<pg.Client>;
      override connect(callback: Connected): void;
      override connect(callback?: Connected): unknown {
        const connected = place(this as pg.Client).then(() => super.connect());
        if (!callback) return connected;
        const told = callback as (error: Error | null, client?: pg.Client) => void;
        return void connected.then((client) => told(null, client), told);
      }
    };
  }

  private async place(client: pg.Client): Promise<void> {
    const server = await this.find();
    // node-postgres reads these when it connects.
    Object.assign(client, { host: server.host, port: server.port });
    this.clients.set(client, server);
    this.timer ??= setInterval(this.watch, WATCH_MS).unref();
    client.once('end', () => this.forget(client));
  }

  private forget(client: pg.Client): void {
    this.clients.delete(client);
    if (this.clients.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async find(): Promise<Writable> {
    if (this.found && performance.now() - this.found.at < FRESH_MS) return this.found.server;
    this.search ??= this.ask().finally(() => (this.search = undefined));
    return await this.search;
  }

  private async ask(): Promise<Writable> {
    const writable: Writable[] = [];
    const probes = this.urls.map(async (url) => writable.push(await probe(url)));
    const all = Promise.allSettled(probes);
    await Promise.any(probes).catch(ignore);
    if (writable.length > 0) await Promise.race([all, sleep(GRACE_MS, undefined, { ref: false })]);
    // The one that was promoted last may only be slow: a lost primary does not take its place.
    if (!newest(writable, this.timeline)) await all;
    const server = newest(writable, this.timeline);
    if (!server) throw noneOf(this.urls, await all);
    this.timeline = server.timeline;
    this.found = { server, at: performance.now() };
    this.leaveOthers(server);
    return server;
  }

  private leaveOthers({ host, port }: Writable): void {
    for (const [client, server] of this.clients) {
      if (server.host === host && server.port === port) continue;
      streamOf(client).destroy(new Error('Connection terminated: another Postgres accepts the writes'));
    }
  }
}

function newest(writable: readonly Writable[], since: string): Writable | undefined {
  return [...writable]
    .sort((a, b) => (a.timeline < b.timeline ? 1 : -1))
    .find(({ timeline }) => timeline >= since);
}

async function probe(connectionString: string): Promise<Writable> {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: PROBE_MS,
    query_timeout: PROBE_MS,
    application_name: 'mediadock',
  });
  try {
    await client.on('error', ignore).connect();
    const { rows } = await client.query<{ isStandby: boolean; timeline: string }>(PROBE);
    if (rows[0]?.isStandby !== false) throw standby();
    return { host: client.host, port: client.port, timeline: rows[0].timeline };
  } finally {
    void client.end().catch(ignore);
  }
}

function standby(): Error {
  return Object.assign(new Error(IS_STANDBY), { code: '25006' });
}

function lost(): Error {
  return Object.assign(
    new Error('it was the primary before another was promoted (if it is the right one, restart this server)'),
    { code: '25006' },
  );
}

/** A server that refuses us needs an operator. Others may recover, or be promoted. */
function noneOf(urls: readonly string[], outcomes: readonly PromiseSettledResult<unknown>[]): unknown {
  const errors = outcomes.map((outcome) =>
    outcome.status === 'rejected' ? (outcome.reason as unknown) : lost(),
  );
  const refusal = errors.find((error) => !isDatabaseAway(error));
  if (refusal !== undefined) return refusal;
  const words = errors.map((error, i) => {
    const { host, port } = new pg.Client(urls[i]);
    return `${host}:${port}: ${wordsOf(error)}`;
  });
  return new AggregateError(errors, words.join(', '));
}

function ignore(): void {
  // The result of the search has the error.
}
