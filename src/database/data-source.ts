import { DataSource, type DataSourceOptions } from 'typeorm';
import { UploadsAndMedia1763800000000 } from '../../migrations/1763800000000-uploads-and-media.js';
import { Thumbnails1763900000000 } from '../../migrations/1763900000000-thumbnails.js';
import { ClicksAndLimits1763910000000 } from '../../migrations/1763910000000-clicks-and-limits.js';
import { IdempotencyKeys1763920000000 } from '../../migrations/1763920000000-idempotency-keys.js';
import { Writers1763930000000 } from '../../migrations/1763930000000-writers.js';
import { Tails1763940000000 } from '../../migrations/1763940000000-tails.js';
import { Media } from '../media/library/media.entity.js';

/** Where Postgres is: a URL, or the socket of the embedded one. */
export type Connection =
  | { readonly url: string }
  | { readonly host: string; readonly port: number; readonly user: string; readonly database: string };

/**
 * Limits of every session of the pool. No statement or lock is waited for long, and a process that freezes with a row
 * locked loses its transaction, not its users their uploads. COMMIT means durable, whatever the server's default.
 */
const SESSION_LIMITS = [
  'lock_timeout=3s',
  'statement_timeout=5s',
  'idle_in_transaction_session_timeout=15s',
  'synchronous_commit=on',
];

/** When Postgres says nothing at all, frozen or cut off: past every limit of its own. */
const SILENCE_MS = 9000;

const MIGRATION_LIMITS = ['lock_timeout=0', 'statement_timeout=0'];
const MIGRATION_LOCK = 7_326_118;

export async function openDatabase(connection: Connection, poolSize: number): Promise<DataSource> {
  return await new DataSource(options(connection, poolSize, SESSION_LIMITS, SILENCE_MS)).initialize();
}

/** Brings the schema up to date; of several processes that start at once, one does it and the others wait. */
export async function migrate(connection: Connection): Promise<void> {
  const source = await new DataSource(options(connection, 2, MIGRATION_LIMITS)).initialize();
  const lock = source.createQueryRunner();
  try {
    // Held by the connection: it goes when the connection does, however that comes about.
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await source.runMigrations({ transaction: 'each' });
  } finally {
    await lock.release();
    await source.destroy();
  }
}

/** Server settings that would break the promise of durability; empty when all is well. */
export async function unsafeSettings(source: DataSource): Promise<string[]> {
  const rows = await source.query<{ name: string }[]>(
    `SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting <> 'on'`,
  );
  return rows.map(({ name }) => name);
}

function options(
  connection: Connection,
  poolSize: number,
  limits: readonly string[],
  silenceMs = 0,
): DataSourceOptions {
  const place =
    'url' in connection
      ? { url: connection.url }
      : {
          host: connection.host,
          port: connection.port,
          username: connection.user,
          database: connection.database,
        };
  return {
    type: 'postgres',
    ...place,
    entities: [Media],
    migrations: [
      UploadsAndMedia1763800000000,
      Thumbnails1763900000000,
      ClicksAndLimits1763910000000,
      IdempotencyKeys1763920000000,
      Writers1763930000000,
      Tails1763940000000,
    ],
    migrationsTableName: 'migration',
    poolSize,
    connectTimeoutMS: 3000,
    applicationName: 'mediadock',
    // pipeline: statements are sent without waiting for the answers to those before them.
    extra: {
      query_timeout: silenceMs,
      pipeline: true,
      options: limits.map((limit) => `-c ${limit}`).join(' '),
      keepAlive: true,
    },
  };
}
