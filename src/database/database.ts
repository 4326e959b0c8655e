import { Injectable } from '@nestjs/common';
import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';

/** What runs SQL: the pool, or one client within a transaction. */
export interface Queryable {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>>;
}

/** Plain SQL on the pool that TypeORM opened, for statements that must be read as they run. */
@Injectable()
export class Database implements Queryable {
  private readonly pool: Pool;

  constructor(source: DataSource) {
    this.pool = (source.driver as unknown as { master: Pool }).master;
  }

  async query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>> {
    return await this.pool.query<Row>(text, values);
  }

  /** Resolves once committed; whatever `work` throws rolls everything back. */
  async transaction<T>(work: (db: Queryable) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    // Without a listener, the end of Postgres while the client is out would be the end of this process.
    client.on('error', ignore);
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await commit(client);
      give(client);
      return result;
    } catch (error) {
      await client.query('ROLLBACK').then(
        () => give(client),
        (failure: Error) => give(client, failure),
      );
      throw error;
    }
  }
}

/** Postgres answers the COMMIT of a failed transaction with success and the tag ROLLBACK. */
async function commit(client: PoolClient): Promise<void> {
  const { command } = await client.query('COMMIT');
  if (command !== 'COMMIT') throw new Error(`COMMIT was answered by ${command}`);
}

function give(client: PoolClient, failure?: Error): void {
  client.off('error', ignore);
  client.release(failure);
}

function ignore(): void {
  // The query that was under way reports it.
}
