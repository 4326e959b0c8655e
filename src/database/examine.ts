import pg from 'pg';
import { StartError } from '../config/start-error.js';
import { isDatabaseAway, wordsOf } from '../errors/database-errors.js';
import { clientOptions, type Connection } from './data-source.js';
import { IS_STANDBY } from './primary.js';
import { SCHEMA } from './session.js';

/** Facts about a Postgres that accepts writes. */
export interface Facts {
  readonly encoding: string;
  readonly schema: string;
  /** Settings with which a power cut or a failing disk loses commits, as `name=value`. */
  readonly unsafe: readonly string[];
}

const FACTS = `
  SELECT current_setting('server_encoding') AS encoding, ${SCHEMA} AS schema, pg_is_in_recovery() AS "isStandby",
    array(SELECT name || '=' || setting FROM pg_settings
      WHERE name IN ('fsync', 'full_page_writes') AND setting <> 'on' OR name = 'data_sync_retry' AND setting <> 'off'
      ORDER BY name) AS unsafe`;

const ANSWER_MS = 3000;

/**
 * Examines Postgres in a session without settings, or returns what keeps it from accepting writes yet.
 * @throws StartError behind a pooler that shares sessions; any other error if waiting does not help
 */
export async function examine(connection: Connection): Promise<Facts | { readonly obstacle: string }> {
  const settings = {
    ...clientOptions(connection),
    connectionTimeoutMillis: ANSWER_MS,
    query_timeout: ANSWER_MS,
  };
  const { Client } = settings;
  const clients = [new Client(settings), new Client(settings)] as const;
  try {
    for (const client of clients) await client.on('error', ignore).connect();
    if (await areShared(...clients)) throw sharedSessions();
    const { rows } = await clients[0].query<Facts & { isStandby: boolean }>(FACTS);
    const [facts] = rows;
    if (!facts) return { obstacle: 'it does not answer' };
    return facts.isStandby ? { obstacle: IS_STANDBY } : facts;
  } catch (error) {
    if (!isDatabaseAway(error) || isRefusedByPooler(error)) throw error;
    return { obstacle: wordsOf(error) };
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(ignore)));
  }
}

/**
 * Whether a pooler shares connections per transaction or statement. Whichever connection it picks next, at least one of
 * these queries is answered by a different connection than before, or by that of the other session.
 */
async function areShared(a: pg.Client, b: pg.Client): Promise<boolean> {
  const seen = new Map([a, b].map((client) => [client, new Set<number>()]));
  for (const client of [a, b, b, a, b, a, a]) {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    for (const { pid } of rows) seen.get(client)?.add(pid);
  }
  const backends = [...seen.values()].flatMap((pids) => [...pids]);
  return backends.length !== 2 || new Set(backends).size !== 2;
}

function sharedSessions(): StartError {
  return new StartError(
    'DATABASE_URL: leads to a pooler that shares connections between sessions, so settings do not persist, durability ' +
      'included. Set pool_mode=session for this database (PgBouncer), or connect to Postgres directly.',
  );
}

/** PgBouncer has one code for all errors. These messages do not mean that Postgres is starting. */
function isRefusedByPooler(error: unknown): boolean {
  return /unsupported startup parameter|no such (database|user)|not allowed|authentication failed/i.test(
    wordsOf(error),
  );
}

function ignore(): void {
  // The pending query reports it.
}
