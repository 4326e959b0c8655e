import type { TypeOrmModuleOptions } from '@nestjs/typeorm';
import type { ClientBase } from 'pg';
import { DataSource } from 'typeorm';
import { UploadsAndMedia1764288000000 } from '../../migrations/1764288000000-uploads-and-media.js';
import { ConfigError } from '../config/config.js';

/** Where Postgres is: a URL, or the socket of the embedded one. */
export type Connection =
  | { readonly url: string }
  | { readonly host: string; readonly port: number; readonly user: string; readonly database: string };

type Settings = Readonly<Record<string, string>>;

/** COMMIT means durable. */
const DURABLE: Settings = { synchronous_commit: 'on' };

/**
 * No statement and no lock is waited for long. A process that freezes with a row locked loses its transaction, so its users
 * keep their uploads.
 */
const SERVING: Settings = {
  ...DURABLE,
  lock_timeout: '3s',
  statement_timeout: '5s',
  idle_in_transaction_session_timeout: '15s',
};

const MIGRATING: Settings = { ...DURABLE, lock_timeout: '0', statement_timeout: '0' };
const MIGRATION_LOCK = 7_326_118;
const MIGRATIONS = [UploadsAndMedia1764288000000];

/** When Postgres says nothing at all, frozen or cut off: past every limit of its own. */
const SILENCE_MS = 9000;

/** Options of the app's data source. Its entities are those that modules name with `TypeOrmModule.forFeature`. */
export function databaseOptions(connection: Connection, poolSize: number): TypeOrmModuleOptions {
  return { ...options(connection, poolSize, SERVING, SILENCE_MS), autoLoadEntities: true, retryAttempts: 0 };
}

/**
 * Brings the schema up to date. Of several processes that start at once, one does it and the others wait.
 * @throws ConfigError when another version of Mediadock made the database
 */
export async function migrate(connection: Connection): Promise<void> {
  const source = await new DataSource(options(connection, 2, MIGRATING)).initialize();
  const lock = source.createQueryRunner();
  try {
    // Held by the connection: it goes when the connection does, however that comes about.
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await refuseOtherVersions(source);
    await source.runMigrations({ transaction: 'each' });
  } finally {
    await lock.release();
    await source.destroy();
  }
}

async function refuseOtherVersions(source: DataSource): Promise<void> {
  const [{ exists }] = await source.query<[{ exists: boolean }]>(
    `SELECT to_regclass('migration') IS NOT NULL AS exists`,
  );
  if (!exists) return;
  const applied = await source.query<{ name: string }[]>(`SELECT name FROM migration`);
  if (applied.every(({ name }) => MIGRATIONS.some((migration) => migration.name === name))) return;
  throw new ConfigError([
    'DATA_DIR, DATABASE_URL: made by another version of Mediadock, whose layout this one cannot read. ' +
      'Start with an empty directory and an empty database, or go back to the version that made them.',
  ]);
}

/** Names Postgres settings that break the promise of durability; empty when all is well. */
export async function unsafeSettings(source: DataSource): Promise<string[]> {
  const rows = await source.query<{ name: string }[]>(
    `SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting <> 'on'`,
  );
  return rows.map(({ name }) => name);
}

function options(connection: Connection, poolSize: number, settings: Settings, silenceMs = 0) {
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
    type: 'postgres' as const,
    ...place,
    migrations: MIGRATIONS,
    migrationsTableName: 'migration',
    poolSize,
    connectTimeoutMS: 3000,
    applicationName: 'mediadock',
    extra: {
      query_timeout: silenceMs,
      // Statements are sent without waiting for the answers to those before them.
      pipeline: true,
      keepAlive: true,
      onConnect: (client: ClientBase) => pin(client, settings),
    },
  };
}

/**
 * Sets what the promise needs on a new connection, after it is made: whatever the URL, the role, the database or a pooler
 * say. A stronger `synchronous_commit` (remote_apply) stays.
 */
async function pin(client: ClientBase, settings: Settings): Promise<void> {
  const { rows } = await client.query<{ name: string; wanted: string; value: string }>(
    `SELECT key AS name, value AS wanted, set_config(key, CASE
       WHEN key = 'synchronous_commit' AND current_setting(key) = 'remote_apply' THEN 'remote_apply' ELSE value END, false) AS value
     FROM json_each_text($1)`,
    [JSON.stringify(settings)],
  );
  const wrong = rows.filter(({ wanted, value }) => value !== wanted && value !== 'remote_apply');
  if (wrong.length > 0)
    throw new Error(
      `Postgres does not take ${wrong.map(({ name, wanted }) => `${name}=${wanted}`).join(', ')}`,
    );
}
