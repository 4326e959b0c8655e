import { Logger, runMigrations } from 'graphile-worker';
import type { Pool, PoolClient } from 'pg';
import type { QueryRunner } from 'typeorm';

/** A silent logger, because errors are thrown. */
const SILENT = new Logger(() => () => undefined);

/** The schema of graphile-worker for tables in `schema`: two installations may share a database, but no jobs. */
export function jobSchema(schema: string): string {
  return schema === 'public' ? 'mediadock_jobs' : `${schema.slice(0, 58)}_jobs`;
}

/** Brings the tables of graphile-worker up to date, on the one connection that holds the lock of the migrations. */
export async function migrateJobs(runner: QueryRunner): Promise<void> {
  const [{ schema }] = (await runner.query(`SELECT current_schema() AS schema`)) as [{ schema: string }];
  const client = (await runner.connect()) as PoolClient;
  const pgPool = poolOf(() =>
    Promise.resolve({ query: client.query.bind(client), release: () => undefined }),
  );
  await runMigrations({ pgPool, schema: jobSchema(schema), logger: SILENT });
}

/** The parts of a pool that graphile-worker needs. The owners of connections handle their errors. */
export function poolOf(connect: (listening?: unknown) => unknown): Pool {
  return { connect, listeners: () => [() => undefined], options: {} } as unknown as Pool;
}
