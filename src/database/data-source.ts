import type { TypeOrmModuleOptions } from '@nestjs/typeorm';
import pg, { type ClientBase } from 'pg';
import { DataSource, MigrationExecutor, type QueryRunner } from 'typeorm';
import { UploadsAndMedia1764288000000 } from '../../migrations/1764288000000-uploads-and-media.js';
import { Events1764374400000 } from '../../migrations/1764374400000-events.js';
import { Sweeping1764460800000 } from '../../migrations/1764460800000-sweeping.js';
import { ConfigError } from '../config/config.js';
import { urlsOf } from './hosts.js';
import { migrateJobs } from './job-schema.js';
import { Primary } from './primary.js';
import { MIGRATING, pin, SERVING } from './session.js';

/** Where Postgres is: a URL, which may name several servers, or the socket of the embedded one. */
export type Connection = (
  | { readonly url: string }
  | { readonly host: string; readonly port: number; readonly user: string; readonly database: string }
) & {
  /** Where the tables are; unset: where the session would make them. */
  readonly schema?: string;
};

const MIGRATION_LOCK = 7_326_118;
const MIGRATIONS = [UploadsAndMedia1764288000000, Events1764374400000, Sweeping1764460800000];

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
  const source = await new DataSource(options(connection, 1, MIGRATING)).initialize();
  const runner = source.createQueryRunner();
  try {
    await runner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await refuseOtherVersions(source, runner);
    // First, since our migrations add jobs.
    await migrateJobs(runner);
    const migrations = new MigrationExecutor(source, runner);
    migrations.transaction = 'each';
    await migrations.executePendingMigrations();
    // It would go with the connection, but a pooler may keep that.
    await runner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
  } finally {
    await runner.release();
    await source.destroy();
  }
}

async function refuseOtherVersions(source: DataSource, runner: QueryRunner): Promise<void> {
  const known = `SELECT to_regclass('migration') IS NOT NULL AS exists`;
  const [{ exists }] = await source.query<[{ exists: boolean }]>(known, [], runner);
  if (!exists) return;
  const applied = await source.query<{ name: string }[]>(`SELECT name FROM migration`, [], runner);
  if (applied.every(({ name }) => MIGRATIONS.some((migration) => migration.name === name))) return;
  throw new ConfigError([
    'DATA_DIR, DATABASE_URL: created by another version of Mediadock, whose layout this one cannot read. ' +
      'Start with an empty directory and an empty database, or go back to the version that created them.',
  ]);
}

/** How node-postgres connects, with the class of its clients. */
export function clientOptions(connection: Connection) {
  const { Client } = pg;
  if ('url' in connection) {
    const urls = urlsOf(withoutSessionSettings(connection.url));
    const [connectionString] = urls;
    return { connectionString, Client: urls.length > 1 ? new Primary(urls).Client : Client };
  }
  const { host, port, user, database } = connection;
  return { host, port, user, database, Client };
}

/** Settings in the URL would win over those that the code gives, as far as node-postgres knows them. */
function withoutSessionSettings(url: string): string {
  return url.replace(
    /(?<=[?&])(?:query_timeout|(?:statement|lock|idle_in_transaction_session)_timeout|client_encoding|replication|binary)=[^&#]*/g,
    '',
  );
}

function options(
  connection: Connection,
  poolSize: number,
  settings: Parameters<typeof pin>[1],
  silenceMs = 0,
) {
  return {
    type: 'postgres' as const,
    migrations: MIGRATIONS,
    migrationsTableName: 'migration',
    poolSize,
    connectTimeoutMS: 3000,
    applicationName: 'mediadock',
    extra: {
      ...clientOptions(connection),
      query_timeout: silenceMs,
      // Statements are sent without waiting for the answers to those before them.
      pipeline: true,
      keepAlive: true,
      onConnect: (client: ClientBase) => pin(client, settings, connection.schema),
    },
  };
}
