import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import pg from 'pg';
import { createApp } from '../../src/app.js';
import { signToken } from '../../src/auth/token.js';
import type { Config } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/load-config.js';
import { Webhooks } from '../../src/events/webhooks.js';
import { Jobs } from '../../src/jobs/jobs.js';
import { testServer } from './test-server.js';

export const JWT_SECRET = 'a secret that only the tests know, 32+';

/** A running server on a database and a data directory of its own. */
export class TestApp {
  private readonly twins: TestApp[] = [];

  private constructor(
    readonly app: NestExpressApplication,
    readonly url: string,
    readonly config: Config,
    readonly database: string,
    private readonly settings: Record<string, string>,
  ) {}

  /** @param settings environment variables over those of a test */
  static async start(settings: Record<string, string> = {}): Promise<TestApp> {
    return await TestApp.startOn(await createDatabase(), settings);
  }

  /** On a database that is there, with a data directory of its own. */
  static async startOn(database: string, settings: Record<string, string> = {}): Promise<TestApp> {
    return await TestApp.on(database, await mkdtemp(join(tmpdir(), 'mediadock-app-')), settings);
  }

  static async on(
    database: string,
    dataDir: string,
    settings: Record<string, string> = {},
  ): Promise<TestApp> {
    const config = loadConfig({
      NODE_ENV: 'test',
      LOG_LEVEL: 'silent',
      JWT_SECRET,
      DATA_DIR: dataDir,
      ...settings,
    });
    const { url } = config.database;
    const app = await createApp(config, url ? { url } : { ...testServer().connection, database });
    await app.listen(0, '127.0.0.1');
    await app.get(Webhooks).start();
    await app.get(Jobs).start();
    const { port } = app.getHttpServer().address() as AddressInfo;
    return new TestApp(app, `http://127.0.0.1:${port}`, config, database, settings);
  }

  /** A second server on the same database and the same files. */
  async twin(settings: Record<string, string> = {}): Promise<TestApp> {
    const twin = await TestApp.on(this.database, this.config.dataDir, { ...this.settings, ...settings });
    this.twins.push(twin);
    return twin;
  }

  /** Another server process in all but name: the old one stops, the new one finds what it left. */
  async restart(): Promise<TestApp> {
    const { database, config, settings } = this;
    await this.app.close();
    return await TestApp.on(database, config.dataDir, settings);
  }

  async token(userId = '7'): Promise<string> {
    return await signToken(this.config.tokens, userId);
  }

  async sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return await ask<Row>(this.database, text, values);
  }

  /** All that a request could have changed: rows and files. */
  async state(): Promise<unknown> {
    // Without checksums, which a failed completion leaves for the next one.
    const sessions = await this.sql(
      `SELECT to_jsonb(s) - 'digest' AS session FROM upload_session s ORDER BY id`,
    );
    const parts = await this.sql(`SELECT * FROM upload_part ORDER BY upload_id, start`);
    // Without thumbnails, which come in their own time.
    const media = await this.sql(
      `SELECT to_jsonb(m) - array(SELECT column_name FROM information_schema.columns
         WHERE table_name = 'media' AND column_name LIKE 'thumbnail%')::text[] AS media FROM media m ORDER BY id`,
    );
    const files = await Promise.all(
      ['uploads', 'files'].map((name) => readdir(join(this.config.dataDir, name))),
    );
    return { sessions, parts, media, files };
  }

  /** Files of the data directory that are open in this process; 0 where the system does not tell. */
  async openFiles(): Promise<number> {
    const descriptors = await readdir('/proc/self/fd').catch(() => []);
    const paths = await Promise.all(
      descriptors.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')),
    );
    return paths.filter((path) => path.startsWith(this.config.dataDir)).length;
  }

  async stop(): Promise<void> {
    await this.close();
    await this.drop();
  }

  /** Stops it and its twins; database and files stay. */
  async close(): Promise<void> {
    await Promise.all([this, ...this.twins].map(({ app }) => app.close()));
  }

  /** Removes database and files of a server that is closed. */
  async drop(): Promise<void> {
    await rm(this.config.dataDir, { recursive: true, force: true });
    await dropDatabase(this.database);
  }
}

/** What a database of the test run answers. */
export async function ask<Row extends pg.QueryResultRow>(
  database: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ ...testServer().connection, database });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

export async function createDatabase(): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await administer(`CREATE DATABASE ${name} TEMPLATE ${testServer().template} STRATEGY wal_log`);
  return name;
}

export async function dropDatabase(name: string): Promise<void> {
  await administer(`DROP DATABASE ${name} WITH (FORCE)`);
}

/** @param database unset: one that is always there */
export async function administer(statement: string, database?: string): Promise<void> {
  const client = new pg.Client({ ...testServer().connection, ...(database && { database }) });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
