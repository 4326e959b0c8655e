import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'reflect-metadata';
import pg from 'pg';
import { migrate } from '../../src/database/data-source.js';
import { EmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { TEMPLATE, type TestServer } from './test-server.js';

/** One real Postgres for the whole run, with one migrated database that every test file gets a copy of. */
export default async function globalSetup(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'mediadock-test-'));
  // Tests crash processes, not machines: nothing needs to be on the disk.
  const settings = { fsync: 'off', full_page_writes: 'off', max_connections: '200' };
  const postgres = await EmbeddedPostgres.start({ dataDir, settings });
  const client = new pg.Client(postgres.connection);
  await client.connect();
  await client.query(`CREATE DATABASE ${TEMPLATE}`);
  await client.end();
  await migrate({ ...postgres.connection, database: TEMPLATE });
  const server: TestServer = { dataDir, connection: postgres.connection };
  process.env['MEDIADOCK_TEST_SERVER'] = JSON.stringify(server);
  (globalThis as { testPostgres?: EmbeddedPostgres }).testPostgres = postgres;
}
