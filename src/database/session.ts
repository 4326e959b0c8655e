import type { Duplex } from 'node:stream';
import type { ClientBase } from 'pg';
import { ServiceUnavailable } from '../errors/app-error.js';

type Settings = Readonly<Record<string, string>>;

/** A COMMIT is durable, and values have the format that the source expects. */
const ALWAYS: Settings = {
  synchronous_commit: 'on',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  client_encoding: 'UTF8',
  standard_conforming_strings: 'on',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  array_nulls: 'on',
  transform_null_equals: 'off',
  extra_float_digits: '1',
  // The pool decides when an idle connection ends.
  idle_session_timeout: '0',
  transaction_timeout: '0',
};

/**
 * Limits the wait for statements and locks. A process that freezes while it holds a row lock loses its transaction, so
 * that other processes can continue the upload.
 */
export const SERVING: Settings = {
  ...ALWAYS,
  lock_timeout: '3s',
  statement_timeout: '5s',
  idle_in_transaction_session_timeout: '15s',
};

export const MIGRATING: Settings = {
  ...ALWAYS,
  lock_timeout: '0',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
};

/**
 * The schema of our tables: the first one in search_path that has them, else the first one, else public. System schemas
 * do not count.
 */
export const SCHEMA = `coalesce((
  SELECT name FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place)
  WHERE name !~ '^pg_' AND name <> 'information_schema'
  ORDER BY to_regclass(quote_ident(name) || '.data_directory') IS NULL, place LIMIT 1), 'public')`;

/**
 * Leaves out settings that an older Postgres does not have. A stronger `synchronous_commit` (remote_apply) stays.
 * Triggers, which implement foreign keys, can only be checked: turning them on requires a superuser.
 */
const PIN = `
  SELECT key AS name, value AS wanted, set_config(key, CASE
    WHEN key = 'synchronous_commit' AND current_setting(key) = 'remote_apply' THEN 'remote_apply' ELSE value END, false) AS value
  FROM json_each_text($1) WHERE current_setting(key, true) IS NOT NULL
  UNION ALL
  SELECT name, 'origin', current_setting(name) FROM (VALUES ('session_replication_role')) AS checked (name)
  UNION ALL
  SELECT 'search_path', path, set_config('search_path', path, false)
  FROM (SELECT quote_ident(coalesce($2, ${SCHEMA})) AS path) AS own`;

const PIN_MS = 5000;

/**
 * Sets everything that our promise and statements need on a new connection, whatever the URL, the role, the database or
 * a pooler say.
 * @param schema where the tables are; undefined: where new ones would be created
 */
export async function pin(client: ClientBase, settings: Settings, schema: string | undefined): Promise<void> {
  client.on('notice', (notice) => endUnreplicated(client, notice));
  const query = { text: PIN, values: [JSON.stringify(settings), schema], query_timeout: PIN_MS };
  const { rows } = await client.query<{ name: string; wanted: string; value: string }>(query);
  const wrong = rows.filter(({ wanted, value }) => value !== wanted && value !== 'remote_apply');
  if (wrong.length === 0) return;
  const refused = wrong.map(({ name, wanted }) => `${name}=${wanted}`).join(', ');
  throw new ServiceUnavailable(
    'The database is not available',
    new Error(`Postgres did not accept ${refused}`),
  );
}

/**
 * If the wait for the synchronous standby is cancelled, the commit counts on the primary only, and Postgres reports
 * success after a warning. The connection is closed at that warning, so the outcome counts as unknown.
 */
function endUnreplicated(client: ClientBase, { routine }: { readonly routine: string | undefined }): void {
  if (routine !== 'SyncRepWaitForLSN') return;
  const stream = streamOf(client);
  // At once, because the success message may be in the same packet.
  stream.emit('error', new Error('Connection terminated: a commit did not wait for its standby'));
  stream.destroy();
}

/** The socket of a connection, which the types of node-postgres hide. */
export function streamOf(client: ClientBase): Duplex {
  return (client as unknown as { readonly connection: { readonly stream: Duplex } }).connection.stream;
}
