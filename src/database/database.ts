import { Injectable } from '@nestjs/common';
import pg, { type Pool, type PoolClient, type QueryResult, type QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';

/** Runs SQL on the pool or in a transaction. Values are always parameters. */
export interface Queryable {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>>;
}

export type Statement = readonly [text: string, values: unknown[]];

/** Plain SQL on the pool that TypeORM opened, for statements that must be read as they run (decisions/003). */
@Injectable()
export class Database implements Queryable {
  private readonly pool: Pool;

  constructor(source: DataSource) {
    this.pool = (source.driver as unknown as { master: Pool }).master;
    // Without a listener, the end of Postgres while a client is out would end this process. It has to be there when the pool
    // takes its own one off: the bad news may be in the same packet as the answer that freed the client.
    this.pool.on('acquire', (client) => client.off('error', ignore).on('error', ignore));
  }

  async query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>> {
    return await this.pool.query<Row>(prepared(text, values));
  }

  /**
   * Sends a whole transaction in one round trip. Resolves to the results of the statements. Should BEGIN fail, Postgres runs
   * each statement on its own: use this only where that does no harm.
   */
  async pipelineTransaction<Row extends QueryResultRow>(
    ...statements: readonly Statement[]
  ): Promise<QueryResult<Row>[]> {
    const client = await this.pool.connect();
    const begun = client.query('BEGIN');
    const results = statements.map(([text, values]) => client.query<Row>(prepared(text, values)));
    const sent = [begun, ...results, commit(client)];
    const outcomes = await Promise.allSettled(sent);
    // Postgres ends a failed transaction by itself; the connection may be what failed, and failures are rare.
    client.release(outcomes.some(({ status }) => status === 'rejected'));
    await Promise.all(sent);
    return await Promise.all(results);
  }

  /** For libraries with SQL of their own. A connection on which a statement has failed is not used again. */
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

  /** A connection beside the pool, to listen on. */
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

/** Statements are parsed and planned once per connection; there are as many as texts in the source. */
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
  // The query that was under way reports it.
}
