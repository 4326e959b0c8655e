import type { TypeOrmModuleOptions } from '@nestjs/typeorm';
import pg, { type ClientBase } from 'pg';
import { DataSource, MigrationExecutor, type QueryRunner } from 'typeorm';
import { UploadsAndMedia1764288000000 } from '../../migrations/1764288000000-uploads-and-media.js';
import { Events1764374400000 } from '../../migrations/1764374400000-events.js';
import { Sweeping1764460800000 } from '../../migrations/1764460800000-sweeping.js';
import { ClicksOfAUser1764547200000 } from '../../migrations/1764547200000-clicks-of-a-user.js';
import { ConfigError } from '../config/config-error.js';
import { StartError } from '../config/start-error.js';
import { urlsOf } from './hosts.js';
import { migrateJobs } from './job-schema.js';
import { Primary } from './primary.js';
import { MIGRATING, pin, SERVING } from './session.js';

/** How to reach Postgres: a URL, possibly with several hosts, or the socket of the embedded one. */
export type Connection = (
  | { readonly url: string }
  | { readonly host: string; readonly port: number; readonly user: string; readonly database: string }
) & {
  /** The schema of the tables; unset: the default schema of the session. */
  readonly schema?: string;
};

const MIGRATION_LOCK = 7_326_118;
const MIGRATIONS = [
  UploadsAndMedia1764288000000,
  Events1764374400000,
  Sweeping1764460800000,
  ClicksOfAUser1764547200000,
];

/** Limits queries if Postgres is frozen or unreachable. Longer than all limits of Postgres itself. */
const SILENCE_MS = 9000;

/** Options of the app's data source. Modules register its entities with `TypeOrmModule.forFeature`. */
export function databaseOptions(connection: Connection, poolSize: number): TypeOrmModuleOptions {
  return { ...options(connection, poolSize, SERVING, SILENCE_MS), autoLoadEntities: true, retryAttempts: 0 };
}

/**
 * Runs migrations. If several processes start at once, one runs them and the others wait.
 * @throws ConfigError if another version of Mediadock created the database
 */
export async function migrate(connection: Connection): Promise<void> {
  const source = await new DataSource(options(connection, 1, MIGRATING)).initialize();
  const runner = source.createQueryRunner();
  try {
    await runner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await refuseOtherVersions(source, runner);
    // Must come first, since our migrations add jobs.
    await migrateJobs(runner);
    const migrations = new MigrationExecutor(source, runner);
    migrations.transaction = 'each';
    await migrations.executePendingMigrations();
    // The lock ends with the connection, but a pooler may keep that open.
    await runner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
  } finally {
    await runner.release();
    await source.destroy();
  }
}

/** @throws StartError unless the tables are exactly those of this version */
export async function refuseOtherTables(connection: Connection): Promise<void> {
  const source = await new DataSource(options(connection, 1, SERVING, SILENCE_MS)).initialize();
  try {
    const applied = (await hasMigrations(source)) ? await appliedMigrations(source) : undefined;
    if (!applied) throw unlike('has no tables of Mediadock. Use the settings of the server');
    if (!applied.every(isKnown))
      throw unlike(
        'is of another version of Mediadock, perhaps a newer one. Run the command of that version',
      );
    if (!areAll(applied))
      throw unlike('is older than this command. Run that of the old version, or first start the new server');
  } finally {
    await source.destroy();
  }
}

function unlike(words: string): StartError {
  return new StartError(`DATA_DIR, DATABASE_URL: the database ${words}.`);
}

async function refuseOtherVersions(source: DataSource, runner: QueryRunner): Promise<void> {
  if (!(await hasMigrations(source, runner))) return;
  if ((await appliedMigrations(source, runner)).every(isKnown)) return;
  throw new ConfigError([
    'DATA_DIR, DATABASE_URL: created by another version of Mediadock, whose layout this one cannot read. ' +
      'Start with an empty directory and an empty database, or go back to the version that created them.',
  ]);
}

/** TypeORM's own `showMigrations` keeps its connection for ever when a query fails. */
export async function isMigrated(source: DataSource): Promise<boolean> {
  return areAll(await appliedMigrations(source));
}

async function hasMigrations(source: DataSource, runner?: QueryRunner): Promise<boolean> {
  const known = `SELECT to_regclass('migration') IS NOT NULL AS exists`;
  const [{ exists }] = await source.query<[{ exists: boolean }]>(known, [], runner);
  return exists;
}

async function appliedMigrations(source: DataSource, runner?: QueryRunner): Promise<string[]> {
  const rows = await source.query<{ name: string }[]>(`SELECT name FROM migration`, [], runner);
  return rows.map(({ name }) => name);
}

function isKnown(applied: string): boolean {
  return MIGRATIONS.some(({ name }) => name === applied);
}

function areAll(applied: readonly string[]): boolean {
  return MIGRATIONS.every(({ name }) => applied.includes(name));
}

/** How node-postgres connects, with the class of its clients. */
export function clientOptions(connection: Connection) {
  const { Client } = pg;
  if ('url' in connection) {
    const urls = urlsOf(verifying(withoutSessionSettings(connection.url)));
    const [connectionString] = urls;
    return { connectionString, Client: urls.length > 1 ? new Primary(urls).Client : Client };
  }
  const { host, port, user, database } = connection;
  return { host, port, user, database, Client };
}

/** Removes settings from the URL that node-postgres would prefer to ours. */
function withoutSessionSettings(url: string): string {
  return url.replace(
    /(?<=[?&])(?:query_timeout|(?:statement|lock|idle_in_transaction_session)_timeout|client_encoding|replication|binary)=[^&#]*/g,
    '',
  );
}

/** node-postgres treats these modes as `verify-full`, and would print a warning of nine lines. */
function verifying(url: string): string {
  if (/[?&]uselibpqcompat=true(?=[&#]|$)/.test(url)) return url;
  return url.replace(/(?<=[?&]sslmode=)(?:prefer|require|verify-ca)(?=[&#]|$)/g, 'verify-full');
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
      // The kernel would wait two hours before it asks whether a silent Postgres is still there.
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      onConnect: (client: ClientBase) => pin(client, settings, connection.schema),
    },
  };
}
