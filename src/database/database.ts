import { Injectable } from '@nestjs/common';
import pg, { type Pool, type PoolClient, type QueryResult, type QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';

/** Runs SQL on the pool or in a transaction. Values are always parameters. */
export interface Queryable {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>>;
}

export type Statement = readonly [text: string, values: unknown[]];

/** Plain SQL on the pool of TypeORM, for statements that protect invariants (decisions/003). */
@Injectable()
export class Database implements Queryable {
  private readonly pool: Pool;

  constructor(source: DataSource) {
    this.pool = (source.driver as unknown as { master: Pool }).master;
    // Without a listener, an error of a checked-out client would end this process. It must exist before the pool
    // removes its own listener: the error may be in the same packet as the response that released the client.
    this.pool.on('acquire', (client) => client.off('error', ignore).on('error', ignore));
  }

  async query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>> {
    return await this.pool.query<Row>(prepared(text, values));
  }

  /**
   * Sends a whole transaction in one round trip. Resolves to the results of the statements. If BEGIN fails, Postgres
   * runs each statement on its own, so use this only where that does no harm.
   */
  async pipelineTransaction<Row extends QueryResultRow>(
    ...statements: readonly Statement[]
  ): Promise<QueryResult<Row>[]> {
    const client = await this.pool.connect();
    const begun = client.query('BEGIN');
    const results = statements.map(([text, values]) => client.query<Row>(prepared(text, values)));
    const sent = [begun, ...results, commit(client)];
    const outcomes = await Promise.allSettled(sent);
    // Closes the connection, which rolls back: the connection may be the problem, and failures are rare.
    client.release(outcomes.some(({ status }) => status === 'rejected'));
    await Promise.all(sent);
    return await Promise.all(results);
  }

  /** For libraries that run their own SQL. A connection is not reused after a failed statement. */
  async borrow(): Promise<Queryable & { readonly release: () => void }> {
    const client = await this.pool.connect();
    let failure: Error | undefined;
    const query = async (text: string, values?: unknown[]) => {
      try {
        return await client.query(text, values);
      } catch (error) {
        failure = error as Error;
        throw error;
      }
    };
    return { query: query as Queryable['query'], release: () => client.release(failure) };
  }

  /** A connection outside the pool, for LISTEN. */
  listener(): pg.Client {
    const { Client = pg.Client } = this.pool.options as unknown as { readonly Client?: typeof pg.Client };
    return new Client(this.pool.options);
  }

  /** Commits when `work` resolves; rolls back when it throws. */
  async withTransaction<T>(work: (db: Queryable) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      const result = await work({ query: (text, values) => client.query(prepared(text, values)) });
      await commit(client);
      client.release();
      return result;
    } catch (error) {
      await client.query('ROLLBACK').then(
        () => client.release(),
        (failure: Error) => client.release(failure),
      );
      throw error;
    }
  }
}

/** Prepares each statement once per connection. There are only as many as in the source. */
const names = new Map<string, string>();

function prepared(text: string, values: unknown[] | undefined) {
  const name = names.get(text) ?? `mediadock_${names.size}`;
  names.set(text, name);
  return { name, text, ...(values && { values }) };
}

/** Postgres answers the COMMIT of a failed transaction with success and the tag ROLLBACK. */
async function commit(client: PoolClient): Promise<void> {
  const { command } = await client.query('COMMIT');
  if (command !== 'COMMIT') throw new Error(`COMMIT was answered by ${command}`);
}

function ignore(): void {
  // The pending query reports it.
}
