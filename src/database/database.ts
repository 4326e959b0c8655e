import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';
import { settled } from '../settled.js';

/** What runs SQL: the pool, or one client within a transaction. Statements are constant texts, values apart. */
export interface Queryable {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>>;
}

/**
 * For the WHERE of a statement that travels with BEGIN: should BEGIN fail, cancelled for example, Postgres goes on with
 * what follows it, and commits that at once. DEFERRABLE is only a mark here: it counts for no transaction that may write.
 */
export const BEGUN = `current_setting('transaction_deferrable') = 'on'`;

/** Plain SQL on the pool that TypeORM opened, for statements that must be read as they run. */
@Injectable()
export class Database implements Queryable, OnApplicationShutdown {
  private readonly pool: Pool;

  constructor(private readonly source: DataSource) {
    this.pool = (source.driver as unknown as { master: Pool }).master;
    // Without a listener, the end of Postgres while a client is out would be the end of this process. It has to be there
    // when the pool takes its own one off: the bad news may be in the same packet as the answer that freed the client.
    this.pool.on('acquire', (client) => client.off('error', ignore).on('error', ignore));
  }

  /** After everybody has stopped who asks. */
  async onApplicationShutdown(): Promise<void> {
    if (this.source.isInitialized) await this.source.destroy();
  }

  async query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>> {
    return await this.pool.query<Row>(prepared(text, values));
  }

  /** Sends a whole transaction in one round trip, so that its locks are short. Resolves to the last statement's result. */
  async together<Row extends QueryResultRow>(
    ...statements: readonly (readonly [text: string, values: unknown[]])[]
  ): Promise<QueryResult<Row>> {
    const client = await this.pool.connect();
    const begun = client.query('BEGIN');
    const results = statements.map(([text, values]) => client.query<Row>(prepared(text, values)));
    const sent = [begun, ...results, commit(client)];
    const outcomes = await Promise.allSettled(sent);
    // Postgres ends a failed transaction by itself; the connection may be what failed, and failures are rare.
    client.release(outcomes.some(({ status }) => status === 'rejected'));
    await Promise.all(sent);
    const last = await results.at(-1);
    if (!last) throw new Error('There is nothing to send');
    return last;
  }

  /**
   * Resolves once committed; whatever is thrown rolls everything back.
   * @param opening the first statement, which travels with BEGIN in one round trip, before anybody knows that BEGIN
   *   went well: a lock, or a change that asks for BEGUN
   * @param work the rest, given what `opening` resolved to
   */
  async transaction<A, B>(
    opening: (db: Queryable) => Promise<A>,
    work: (db: Queryable, opened: A) => Promise<B>,
  ): Promise<B> {
    const client = await this.pool.connect();
    const db: Queryable = { query: (text, values) => client.query(prepared(text, values)) };
    try {
      const [, opened] = await settled(client.query('BEGIN DEFERRABLE'), opening(db));
      const result = await work(db, opened);
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

/** Statements are parsed and planned once for each connection; their number is that of the texts in the source. */
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
