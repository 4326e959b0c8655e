import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'reflect-metadata';
import pg from 'pg';

// Jest loads this file without the compiler that the tests go through, so it uses the built server.
const built = (/** @type {string} */ path) => import(new URL(`../../dist/src/${path}`, import.meta.url).href);

/** One real Postgres for the whole run, with one migrated database that every test file gets a copy of. */
export default async function globalSetup() {
  const { EmbeddedPostgres } = await built('database/embedded/embedded-postgres.js');
  const { migrate } = await built('database/data-source.js');
  const dataDir = await mkdtemp(join(tmpdir(), 'mediadock-test-'));
  // Tests crash processes, not machines: nothing needs to be on the disk.
  const settings = { fsync: 'off', full_page_writes: 'off', max_connections: '200' };
  const postgres = await EmbeddedPostgres.start({ dataDir, settings });
  const template = 'mediadock_template';
  const client = new pg.Client(postgres.connection);
  await client.connect();
  await client.query(`CREATE DATABASE ${template}`);
  await client.end();
  await migrate({ ...postgres.connection, database: template });
  process.env['MEDIADOCK_TEST_SERVER'] = JSON.stringify({
    dataDir,
    template,
    connection: postgres.connection,
  });
  Object.assign(globalThis, { testPostgres: postgres, testDataDir: dataDir });
}
