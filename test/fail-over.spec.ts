import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PostgresPair } from '../cluster/postgres-pair.js';
import { signToken } from '../src/auth/token.js';
import { loadConfig } from '../src/config/load-config.js';
import { Client, md5 } from './setup/client.js';
import { runCommand } from './setup/run-command.js';
import { pdf } from './setup/samples.js';
import { ServerProcess } from './setup/server-process.js';
import { JWT_SECRET } from './setup/test-app.js';
import { until } from './setup/until.js';

const BACK_MS = 15_000;
const file = pdf(3000);

/** Both servers are in DATABASE_URL, as libpq writes them. */
describe('a primary and its synchronous standby', () => {
  let pair: PostgresPair;
  let dataDir: string;
  let settings: Record<string, string>;
  let servers: ServerProcess[];
  let url: string;
  let client: Client;
  let uploadId: string;

  beforeEach(async () => {
    servers = [];
    [pair, dataDir] = await Promise.all([
      PostgresPair.start(process.cwd()),
      mkdtemp(join(tmpdir(), 'mediadock-fail-over-')),
    ]);
    settings = { DATA_DIR: dataDir, DATABASE_URL: pair.url, LOG_LEVEL: 'warn' };
    url = await start().url();
    client = new Client(url, (await signToken(loadConfig({ JWT_SECRET }).tokens, '7')) ?? '');
    uploadId = (await client.slice(file, 0, 1000)).body.upload_id;
  });
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await pair.stop();
    await rm(dataDir, { recursive: true });
  });

  function start(): ServerProcess {
    const server = ServerProcess.start(settings);
    servers.push(server);
    return server;
  }

  async function readiness(of = url): Promise<unknown> {
    const answer = await fetch(`${of}/health/ready`);
    const { details, checks = details } = (await answer.json()) as Record<string, Record<string, unknown>>;
    return [answer.status, (checks?.['database'] as { status?: string } | undefined)?.status];
  }

  async function untilReadiness(status: number, of = url): Promise<unknown> {
    return await until(
      () => readiness(of),
      (answer) => (answer as unknown[])[0] === status,
    );
  }

  /** The server is whole in time, knows what it has acknowledged, and completes the upload. */
  async function goesOn(since: number): Promise<void> {
    await untilReadiness(200);
    const next = await until(
      () => client.slice(file, 1000, 2000, uploadId),
      ({ status }) => status !== 503,
    );
    expect(performance.now() - since).toBeLessThan(BACK_MS);
    expect([next.status, next.body.offset]).toEqual([201, '2000']);
    await client.slice(file, 2000, 3000, uploadId);
    expect((await client.complete(uploadId, md5(file))).status).toBe(201);
  }

  it('the primary is killed: 503 until the standby is promoted, then all goes on by itself', async () => {
    await pair.killPrimary();
    const { status, body } = await client.slice(file, 1000, 2000, uploadId);
    expect([status, body.action]).toEqual([503, 'wait']);
    expect(await untilReadiness(503)).toEqual([503, 'down']);
    const another = start();
    const said = await another.says(/Waiting/);
    expect(said).toMatch(
      /for a Postgres that accepts writes: 127\.0\.0\.1:\d+: connect ECONNREFUSED [\d.:]+, 127\.0\.0\.1:\d+: it is a read-only standby"/,
    );
    await pair.promote();
    await goesOn(performance.now());
    await untilReadiness(200, await another.url());
    expect((await runCommand(settings, 'fsck')).printed).toMatch(/^clean/);
  });

  it('the primary freezes and holds its connections', async () => {
    await untilReadiness(200);
    pair.freezePrimary();
    await pair.promote();
    await goesOn(performance.now());
  });

  it('a lost primary that comes back by itself is not written to', async () => {
    await pair.killPrimary();
    await pair.promote();
    await goesOn(performance.now());
    await pair.launch(pair.standby);
    const another = new Client(await start().url(), client.token);
    for (const each of [another, client])
      expect((await each.slice(file, 0, 1000)).body).toMatchObject({ offset: '1000' });
    await pair.withClient(pair.standby, async (lost) => {
      const { rows } = await lost.query(`SELECT count(*)::int AS count FROM upload_session`);
      expect(rows).toEqual([{ count: 1 }]);
    });
  });

  it('a lost primary is not written to while the new one is slow to answer', async () => {
    await pair.killPrimary();
    await pair.promote();
    await until(
      () => client.slice(file, 1000, 2000, uploadId),
      ({ status }) => status === 201,
    );
    await pair.launch(pair.standby);
    pair.freezePrimary();
    // The first one ends with the connections; the next one looks for a server.
    for (const index of [1, 2, 1]) {
      const { status, body } = await client.slice(file, index * 1000, index * 1000 + 1000, uploadId);
      expect([status, body.action]).toEqual([503, 'wait']);
    }
    pair.thawPrimary();
    const { body: media } = await until(
      async () => {
        await client.slice(file, 2000, 3000, uploadId);
        return await client.complete(uploadId, md5(file));
      },
      ({ status }) => status === 201,
    );
    expect(media.size).toBe(file.length);
  });
});
