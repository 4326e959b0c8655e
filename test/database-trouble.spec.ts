import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { signToken } from '../src/auth/token.js';
import { loadConfig } from '../src/config/load-config.js';
import { Client } from './setup/client.js';
import { seen } from './setup/hold.js';
import { OwnPostgres } from './setup/own-postgres.js';
import { pdf } from './setup/samples.js';
import { ServerProcess } from './setup/server-process.js';
import { administer, createDatabase, JWT_SECRET, TestApp } from './setup/test-app.js';
import { testServer, urlOf } from './setup/test-server.js';
import { until } from './setup/until.js';

const file = pdf(3000);

async function readiness(url: string): Promise<number> {
  const answer = await fetch(`${url}/health/ready`);
  await answer.arrayBuffer();
  return answer.status;
}

/** Asks until it is so; a look is good for a second. */
async function untilReadiness(url: string, status: number): Promise<unknown> {
  return await until(
    () => readiness(url),
    (ready) => ready === status,
  );
}

describe('a database that does not let the server in is 503, and all goes on once it does', () => {
  let app: TestApp;
  let client: Client;
  let uploadId: string;
  let role: string;

  beforeEach(async () => {
    const database = await createDatabase();
    role = `${database}_role`;
    await administer(`CREATE ROLE ${role} LOGIN`);
    const url = urlOf(database).replace(testServer().connection.user, role);
    await grant(database);
    app = await TestApp.startOn(database, { DATABASE_URL: url });
    client = await Client.of(app);
    uploadId = (await client.slice(file, 0, 1000)).body.upload_id;
  });
  afterEach(async () => {
    await app.stop();
    await administer(`DROP ROLE ${role}`);
  });

  const grant = (database: string) =>
    administer(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`, database);
  const disconnect = () =>
    administer(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE '${app.database}%'`,
    );

  it.each<[string, () => Promise<unknown>, () => Promise<unknown>]>([
    [
      'a role that may not log in any more',
      () => administer(`ALTER ROLE ${role} NOLOGIN`),
      () => administer(`ALTER ROLE ${role} LOGIN`),
    ],
    [
      'a database that takes no connections',
      () => administer(`ALTER DATABASE ${app.database} ALLOW_CONNECTIONS false`),
      () => administer(`ALTER DATABASE ${app.database} ALLOW_CONNECTIONS true`),
    ],
    [
      'a database that is gone',
      () =>
        disconnect().then(() => administer(`ALTER DATABASE ${app.database} RENAME TO ${app.database}_away`)),
      () => administer(`ALTER DATABASE ${app.database}_away RENAME TO ${app.database}`),
    ],
    [
      'a role without privileges',
      () => app.sql(`REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ${role}`),
      () => grant(app.database),
    ],
  ])('%s', async (_, lock, unlock) => {
    await lock();
    await disconnect();
    for (const path of [`/api/v2/media/upload/${uploadId}/`, '/api/v2/media/upload/']) {
      const { status, body } = await client.send('GET', path);
      expect([status, body.code, body.action]).toEqual([503, 'service-unavailable', 'wait']);
    }
    expect((await client.slice(file, 1000, 2000, uploadId)).body).toMatchObject({
      status: 503,
      action: 'wait',
    });
    await untilReadiness(app.url, 503);
    await unlock();
    expect((await client.slice(file, 1000, 2000, uploadId)).body).toMatchObject({ offset: '2000' });
  });
});

it('a readiness check that fails keeps no connection', async () => {
  const app = await TestApp.start({ DATABASE_POOL_SIZE: '2' });
  const client = await Client.of(app);
  const rename = (from: string, to: string) =>
    app.sql(`ALTER TABLE migration RENAME COLUMN ${from} TO ${to}`);
  for (const name of ['id', 'name']) await rename(name, `${name}_away`);
  const checks = seen(app.app.get(DataSource), 'query', (text: string) => text);
  await until(
    async () => [await readiness(app.url), checks.filter((text) => text.includes('data_directory')).length],
    ([status, count]) => status === 503 && count === 4,
  );
  for (const name of ['id', 'name']) await rename(`${name}_away`, name);
  expect((await client.slice(file, 0, 1000)).status).toBe(201);
  await untilReadiness(app.url, 200);
  await app.stop();
});

describe('a Postgres that answers, but commits nothing', () => {
  let postgres: OwnPostgres;
  let dataDir: string;
  let servers: ServerProcess[] = [];
  let url: string;
  let client: Client;

  beforeEach(async () => {
    postgres = await OwnPostgres.start();
    dataDir = await mkdtemp(join(tmpdir(), 'mediadock-trouble-'));
    url = await start().url();
    const token = await signToken(loadConfig({ JWT_SECRET }).tokens, '7');
    client = new Client(url, token ?? '');
  });
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    servers = [];
    await postgres.stop();
    await rm(dataDir, { recursive: true });
  });

  function start(): ServerProcess {
    const settings = {
      DATA_DIR: dataDir,
      DATABASE_URL: postgres.url,
      UNSAFE_DATABASE: 'true',
      LOG_LEVEL: 'warn',
    };
    const server = ServerProcess.start(settings);
    servers.push(server);
    return server;
  }

  it('a standby: chunks are 503, it is not ready, a start waits, and all goes on once it is promoted', async () => {
    const id = (await client.slice(file, 0, 1000)).body.upload_id;
    await postgres.becomeStandby();
    await untilReadiness(url, 503);
    const { status, body } = await until(
      () => client.slice(file, 1000, 2000, id),
      ({ body }) => body.code,
    );
    expect([status, body.action]).toEqual([503, 'wait']);
    const another = start();
    await another.says(/Waiting up to 60 s for a Postgres that accepts writes: it is a read-only standby/);
    await postgres.promote();
    await untilReadiness(url, 200);
    expect((await client.slice(file, 1000, 2000, id)).body).toMatchObject({ offset: '2000' });
    await untilReadiness(await another.url(), 200);
  });

  it('a commit that stopped waiting for its standby is not acknowledged', async () => {
    const id = (await client.slice(file, 0, 1000)).body.upload_id;
    await postgres.query(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`);
    await postgres.query('SELECT pg_reload_conf()');
    const waiting = `FROM pg_stat_activity WHERE wait_event = 'SyncRep'`;
    // Commits wait once the checkpointer has read the setting.
    await until(
      () => {
        void postgres.query(`SELECT pg_logical_emit_message(true, '', '')`).catch(() => undefined);
        return postgres.query(`SELECT ${waiting}`);
      },
      (commits) => commits.length > 0,
    );
    const answer = client.slice(file, 1000, 2000, id);
    // It has committed, on this server alone, and Postgres says so in a warning.
    await until(
      () => postgres.query(`SELECT pg_cancel_backend(pid) ${waiting} AND application_name = 'mediadock'`),
      (cancelled) => cancelled.length > 0,
    );
    expect((await answer).status).toBe(503);
    await postgres.query('ALTER SYSTEM RESET synchronous_standby_names');
    await postgres.query('SELECT pg_reload_conf()');
    expect((await client.slice(file, 1000, 2000, id)).body).toMatchObject({ offset: '2000' });
  });

  it('a primary whose own standby is missing: it is not ready, and says so in seconds', async () => {
    await untilReadiness(url, 200);
    await postgres.query(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`);
    await postgres.query('SELECT pg_reload_conf()');
    await untilReadiness(url, 503);
    const start = performance.now();
    expect(await readiness(url)).toBe(503);
    expect(performance.now() - start).toBeLessThan(10_000);
    await postgres.query('ALTER SYSTEM RESET synchronous_standby_names');
    await postgres.query('SELECT pg_reload_conf()');
    await untilReadiness(url, 200);
  });
});
