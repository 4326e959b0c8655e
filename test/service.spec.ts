import { execFileSync } from 'node:child_process';
import { open, rename, writeFile } from 'node:fs/promises';
import pg from 'pg';
import { freePort } from '../scripts/free-port.js';
import { testServer, urlOf } from './setup/test-server.js';
import { pdf } from './setup/samples.js';
import { Client } from './setup/client.js';
import { ServerProcess } from './setup/server-process.js';
import { createDatabase, TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

let app: TestApp;
beforeEach(async () => {
  // A disk that is full under a chunk: the reserve would see to it that this is rare.
  app = await TestApp.start({ DISK_RESERVE_BYTES: '0' });
});
afterEach(() => app.stop());

describe('health', () => {
  it('is live and ready, without a token', async () => {
    expect((await fetch(new URL('/health/live', app.url))).status).toBe(200);
    const response = await fetch(new URL('/health/ready', app.url));
    expect(response.status).toBe(200);
    const up = { status: 'up' };
    expect(((await response.json()) as { details: object }).details).toEqual({
      running: up,
      database: up,
      migrations: up,
      storage: up,
    });
  });

  it('is not ready without its data directory', async () => {
    await rename(`${app.config.dataDir}/files`, `${app.config.dataDir}/gone`);
    const response = await fetch(new URL('/health/ready', app.url));
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'service-unavailable', action: 'wait' });
  });
});

describe('the log', () => {
  /** Level and route of each request, once there is one for `/files/:name`. */
  async function logged(level: string): Promise<string[]> {
    const { database, config } = app;
    const place = { DATABASE_URL: urlOf(database), DATA_DIR: config.dataDir, UNSAFE_DATABASE: 'true' };
    const server = ServerProcess.start({ ...place, LOG_LEVEL: level });
    const url = await server.url();
    await fetch(`${url}/health/live`);
    await rename(`${config.dataDir}/files`, `${config.dataDir}/gone`);
    await fetch(`${url}/health/ready`);
    await fetch(`${url}/files/${'0'.repeat(32)}.pdf`);
    const printed = await server.says(/"route":"\/files/);
    await server.stop();
    const lines = [...printed.matchAll(/"level":"(\w+)".*"route":"([^"]+)"/g)];
    return lines.map(([, level, route]) => `${level} ${route}`);
  }

  it('has no probes that succeed, but those that fail', async () => {
    expect(await logged('info')).toEqual(['error /health/ready', 'info /files/:name']);
  });

  it('has all of them when debugging', async () => {
    expect(await logged('debug')).toEqual(['debug /health/live', 'error /health/ready', 'info /files/:name']);
  });
});

describe('while the database is away', () => {
  it('a chunk is answered 503, and the next one goes through', async () => {
    const client = await Client.of(app);
    const file = pdf(1000);
    const id = (await client.slice(file, 0, 500)).body.upload_id;
    await app.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    const answers = [await client.slice(file, 500, 1000, id), await client.slice(file, 500, 1000, id)];
    expect(answers.at(-1)!.status).toBe(201);
    expect([201, 503]).toContain(answers[0]!.status);
  });

  it('a locked session is answered 503 in a few seconds', async () => {
    const client = await Client.of(app);
    const file = pdf(1000);
    const id = (await client.slice(file, 0, 500)).body.upload_id;
    const locker = new pg.Client({ ...testServer().connection, database: app.database });
    await locker.connect();
    await locker.query('BEGIN');
    await locker.query('SELECT id FROM upload_session FOR UPDATE');
    const { status, body, headers } = await client.slice(file, 500, 1000, id);
    expect([status, body.action, headers.get('retry-after')]).toEqual([503, 'wait', '1']);
    await locker.end();
    expect((await client.slice(file, 500, 1000, id)).status).toBe(201);
  });
});

describe('while the disk fails', () => {
  it('a chunk is answered 503, nothing moves, and the next one goes through', async () => {
    const client = await Client.of(app);
    const file = pdf(1000);
    const id = (await client.slice(file, 0, 500)).body.upload_id;
    // The server that took the first chunk may still have its part open.
    const elsewhere = await Client.of(await app.twin());
    const path = `${app.config.dataDir}/uploads`;
    await rename(path, `${path}.away`);
    expect((await elsewhere.slice(file, 500, 1000, id)).status).toBe(503);
    expect((await client.status(id)).body.offset).toBe('500');
    await rename(`${path}.away`, path);
    expect((await client.slice(file, 500, 1000, id)).status).toBe(201);
  });
});

const itOnLinux = process.platform === 'linux' ? it : it.skip;

itOnLinux('a log on a full disk does not end the server', async () => {
  const port = await freePort();
  const full = await open('/dev/full', 'w');
  const settings = {
    UNSAFE_DATABASE: 'true',
    DATABASE_URL: urlOf(await createDatabase()),
    DATA_DIR: `${app.config.dataDir}/another`,
    PORT: String(port),
  };
  const server = ServerProcess.start(settings, [], full.fd);
  const live = () =>
    fetch(`http://127.0.0.1:${port}/health/live`).then(
      ({ status }) => status,
      () => 0,
    );
  await until(live, (status) => status === 200);
  expect(await live()).toBe(200);
  await server.stop();
  await full.close();
});

const asRoot = process.platform === 'linux' && process.geteuid?.() === 0;

// Only root can mount a file system that is small enough to fill.
(asRoot ? describe : describe.skip)('while the disk is full', () => {
  it('a chunk is answered 507, nothing moves, and with space again the next one goes through', async () => {
    const uploads = `${app.config.dataDir}/uploads`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', uploads]);
    try {
      const client = await Client.of(app);
      const file = pdf(300_000);
      const id = (await client.slice(file, 0, 150_000)).body.upload_id;
      await writeFile(`${uploads}/ballast`, Buffer.alloc(50_000));
      const { status, body, headers } = await client.slice(file, 150_000, 300_000, id);
      expect([status, body.code, body.action, headers.get('retry-after')]).toEqual([
        507,
        'storage-full',
        'wait',
        '30',
      ]);
      expect((await client.status(id)).body.offset).toBe('150000');
      execFileSync('mount', ['-o', 'remount,size=1m', uploads]);
      expect((await client.slice(file, 150_000, 300_000, id)).body.offset).toBe('300000');
    } finally {
      // Lazily: the server keeps the file open for a while.
      execFileSync('umount', ['--lazy', uploads]);
    }
  });
});
