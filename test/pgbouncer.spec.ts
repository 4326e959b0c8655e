import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { PgBouncer } from '../crash/pgbouncer.js';
import { StartError } from '../src/config/start-error.js';
import { prepareDatabase } from '../src/database/prepare.js';
import { Client, md5 } from './setup/client.js';
import { freePort } from '../scripts/free-port.js';
import { listenForPostgres } from './setup/postgres-proxy.js';
import { pdf } from './setup/samples.js';
import { administer, createDatabase, dropDatabase, TestApp } from './setup/test-app.js';
import { testServer } from './setup/test-server.js';

const { missing } = PgBouncer;
const whereItIs = missing === undefined ? describe : describe.skip;
const file = pdf(3000);
const options = { unsafe: true, warn: () => undefined };

whereItIs(`behind PgBouncer${missing === undefined ? '' : ` (${missing})`}`, () => {
  let bouncer: PgBouncer;
  let database: string;
  let url: string;
  /** Where Postgres listens: PgBouncer, which does not run as root, may not reach its socket. */
  let port: number;
  let close: () => Promise<void>;

  beforeAll(async () => {
    port = await freePort();
    close = await listenForPostgres(port);
  });
  afterAll(() => close());

  async function start(settings: Record<string, string | number> = {}): Promise<void> {
    const { user } = testServer().connection;
    bouncer = await PgBouncer.start({ host: '127.0.0.1', port, user }, settings);
    url = bouncer.url(user, database);
  }

  beforeEach(async () => {
    database = await createDatabase();
  });
  afterEach(async () => {
    await bouncer.stop();
    await dropDatabase(database);
  });

  it('with its default settings it is started over and over, and uploads go through', async () => {
    await start();
    for (let i = 0; i < 3; i++) await prepareDatabase({ url }, options);
    const dataDir = await mkdtemp(join(tmpdir(), 'mediadock-pgbouncer-'));
    const app = await TestApp.on(database, dataDir, { DATABASE_URL: url });
    const client = await Client.of(app);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const id = await client.upload(file, { chunkBytes: 1000 });
        return (await client.complete(id, md5(file))).status;
      }),
    );
    expect(outcomes).toEqual(Array.from({ length: 20 }, () => 201));
    await app.close();
    await rm(dataDir, { recursive: true });
  });

  it.each([
    ['transaction', {}],
    ['transaction', { server_round_robin: 1, min_pool_size: 4 }],
    ['transaction', { default_pool_size: 1 }],
    ['statement', {}],
  ])('pool_mode=%s %j is refused in one sentence, and leaves nothing behind', async (mode, more) => {
    await start({ pool_mode: mode, ...more });
    // Others on the same pool keep more than one connection open.
    const others = await TestApp.on(database, await mkdtemp(join(tmpdir(), 'mediadock-pgbouncer-')));
    for (let i = 0; i < 3; i++) {
      const refused = await prepareDatabase({ url }, options).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(StartError);
      expect((refused as StartError).message).toMatch(
        /^DATABASE_URL: leads to a pooler that shares connections.*Set pool_mode=session for this database/,
      );
    }
    // But for those that say which servers are alive.
    const locks = await others.sql(
      `SELECT * FROM pg_locks WHERE locktype = 'advisory' AND classid <> 7326120`,
    );
    expect(locks).toEqual([]);
    await others.close();
    await rm(others.config.dataDir, { recursive: true });
  });

  it('what it does not pass on is named at once', async () => {
    await start();
    const started = prepareDatabase({ url: `${url}?options=-c%20synchronous_commit%3Doff` }, options);
    await expect(started).rejects.toThrow(/^DATABASE_URL: unsupported startup parameter: options\./);
  });

  it('a Postgres that is not there yet behind it is waited for', async () => {
    await start({ server_login_retry: 1 });
    await administer(`ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
    const warn = jest.fn(() => void administer(`ALTER DATABASE ${database} ALLOW_CONNECTIONS true`));
    await prepareDatabase({ url }, { unsafe: true, warn });
    expect(warn).toHaveBeenCalled();
  });
});
