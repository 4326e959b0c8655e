import { administer, createDatabase, TestApp } from './setup/test-app.js';
import { Client, md5 } from './setup/client.js';
import { pdf } from './setup/samples.js';
import { testServer, urlOf } from './setup/test-server.js';

const file = pdf(3000);

let app: TestApp;
let apps: TestApp[] = [];
afterEach(async () => {
  await Promise.all(apps.map((each) => each.stop()));
  apps = [];
});

async function startOn(database: string, settings: Record<string, string> = {}): Promise<TestApp> {
  const started = await TestApp.startOn(database, settings);
  apps.push(started);
  return started;
}

/** All that reads and writes dates, numbers, arrays and JSON: an upload in parts, its Media, its status. */
async function useAll(): Promise<void> {
  const client = await Client.of(app);
  const first = await client.slice(file, 0, 1000, undefined, {
    fileName: 'Überfahrt – 渡し.pdf',
    headers: { 'idempotency-key': 'key-1' },
  });
  expect(first.body).toMatchObject({ offset: '1000' });
  const elsewhere = await Client.of(await app.twin());
  const second = await elsewhere.slice(file, 1000, 2000, first.body.upload_id);
  expect([second.status, second.body.offset]).toEqual([201, '2000']);
  const age = Date.now() - Date.parse((await client.status(first.body.upload_id)).body.created_at);
  expect(age).toBeGreaterThan(-60_000);
  expect(age).toBeLessThan(60_000);
  expect((await client.send('GET', '/api/v2/media/upload/')).status).toBe(200);
  await client.slice(file, 2000, 3000, first.body.upload_id);
  const media = await client.complete(first.body.upload_id, md5(file));
  expect([media.status, media.body.title]).toEqual([201, 'Überfahrt – 渡し.pdf']);
  expect(Date.now() - Date.parse(media.body.added_at)).toBeLessThan(60_000);
  expect((await fetch(`${app.url}/health/ready`)).status).toBe(200);
}

describe('uploads do not mind what a database or a role has for', () => {
  it.each<Record<string, string>>([
    {
      datestyle: `'German'`,
      timezone: `'Asia/Kathmandu'`,
      intervalstyle: `'iso_8601'`,
      extra_float_digits: '-15',
      array_nulls: 'off',
      bytea_output: `'escape'`,
    },
    {
      datestyle: `'SQL, DMY'`,
      default_transaction_read_only: 'on',
      default_transaction_isolation: `'serializable'`,
      standard_conforming_strings: 'off',
      transform_null_equals: 'on',
      client_encoding: `'LATIN1'`,
      synchronous_commit: 'off',
    },
    {
      datestyle: `'Postgres, DMY'`,
      search_path: `''`,
      lock_timeout: '1',
      idle_in_transaction_session_timeout: '1',
    },
    { search_path: `'nowhere'` },
    { search_path: `'pg_catalog'` },
  ])('%j', async (settings) => {
    const database = await createDatabase();
    for (const [name, value] of Object.entries(settings))
      await administer(`ALTER DATABASE ${database} SET ${name} = ${value}`);
    app = await startOn(database);
    await useAll();
  });

  it.each([
    '-c synchronous_commit=off -c datestyle=German -c default_transaction_read_only=on -c search_path=nowhere',
  ])('what the URL says: options=%s', async (options) => {
    const database = await createDatabase();
    const url = `${urlOf(database)}&options=${encodeURIComponent(options)}`;
    app = await startOn(database, { DATABASE_URL: url });
    await useAll();
  });

  it.each(['query_timeout=1', 'statement_timeout=1', 'replication=database', 'client_encoding=LATIN1'])(
    'what the URL says: %s',
    async (setting) => {
      const database = await createDatabase();
      app = await startOn(database, { DATABASE_URL: `${urlOf(database)}&${setting}` });
      await useAll();
    },
  );

  it('a schema of the name of the role, which comes first in search_path', async () => {
    const { user } = testServer().connection;
    const database = await createDatabase();
    app = await startOn(database);
    await app.sql(`CREATE SCHEMA ${user}`);
    await useAll();
  });
});
