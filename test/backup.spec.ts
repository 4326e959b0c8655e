import { execFile, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { PostgresUser } from '../src/database/embedded/postgres-user.js';
import { Client, md5 } from './setup/client.js';
import { blocksOf } from './setup/markdown.js';
import { pdf } from './setup/samples.js';
import { S3Server } from './setup/s3-server.js';
import { ServerProcess } from './setup/server-process.js';
import { signToken } from '../src/auth/token.js';
import { loadConfig } from '../src/config/load-config.js';
import { JWT_SECRET } from './setup/test-app.js';
import { until } from './setup/until.js';

const run = promisify(execFile);

/** Where Debian has the programs of its newest Postgres: the embedded one comes without pg_dump. */
const HOME = '/usr/lib/postgresql';
const [version] = existsSync(HOME) ? readdirSync(HOME).sort((a, b) => Number(b) - Number(a)) : [];
const BIN = `${HOME}/${version}/bin`;
const MISSING = [`${BIN}/postgres`, `${BIN}/pg_dump`, '/usr/bin/rsync'].find((path) => !existsSync(path));

describe('the commands for backup and restore', () => {
  if (MISSING !== undefined) {
    it.skip(`are not run: there is no ${MISSING}`, () => undefined);
    return;
  }
  let dir: string;
  let postgres: ChildProcess;
  let databaseUrl: string;
  let server: ServerProcess | undefined;

  beforeAll(async () => {
    dir = await realpath(await mkdtemp(join(tmpdir(), 'mediadock-backup-')));
    await chmod(dir, 0o755);
    const cluster = join(dir, 'postgres');
    const user = await PostgresUser.of(cluster);
    await mkdir(cluster);
    user.own(cluster);
    const made = user.spawn(
      `${BIN}/initdb`,
      ['-D', cluster, '-U', 'mediadock', '-A', 'trust', '-E', 'UTF8', '--no-sync'],
      {
        stdio: 'ignore',
      },
    );
    await once(made, 'exit');
    const flags = ['-c', 'listen_addresses=', '-c', `unix_socket_directories=${cluster}`];
    postgres = user.spawn(`${BIN}/postgres`, ['-D', cluster, ...flags], { stdio: 'ignore' });

    await until(
      () => administer('SELECT 1'),
      (error) => error === '',
    );
  });
  afterAll(async () => {
    await server?.stop();
    postgres.kill('SIGINT');
    await once(postgres, 'exit');
    await rm(dir, { recursive: true });
  });

  function urlOf(database: string): string {
    return `postgresql://mediadock@localhost/${database}?host=${encodeURIComponent(join(dir, 'postgres'))}`;
  }

  /** Resolves to an error, or to nothing. */
  async function administer(statement: string): Promise<string> {
    const client = new pg.Client(urlOf('postgres'));
    return await client
      .connect()
      .then(() => client.query(statement))
      .then(() => '', String)
      .finally(() => client.end().catch(() => undefined));
  }

  /** The page's own block, in directories of this test. */
  async function execute(
    words: RegExp,
    dataDir: string,
    settings: Record<string, string> = {},
  ): Promise<void> {
    const page = await readFile('docs/operations.md', 'utf8');
    const block = blocksOf(page).find(({ text }) => words.test(text))?.text ?? 'false';
    const script = block
      .replaceAll('/backup', `${dir}/backup`)
      .replace('npm run fsck --', 'node dist/src/command.js fsck');
    const PATH = [BIN, process.env['PATH']].join(delimiter);
    const env = { PATH, DATABASE_URL: databaseUrl, DATA_DIR: dataDir, JWT_SECRET, ...settings };
    await run('bash', ['-ec', script], { env }).catch((error: Error & { stdout: string }) => {
      throw new Error(error.stdout, { cause: error });
    });
  }

  async function serve(dataDir: string, settings: Record<string, string> = {}): Promise<Client> {
    const place = { DATA_DIR: dataDir, DATABASE_URL: databaseUrl };
    server = ServerProcess.start({ ...place, LOG_LEVEL: 'warn', ...settings });
    const { tokens } = loadConfig({ JWT_SECRET, DATA_DIR: dataDir });
    return new Client(await server.url(), await signToken(tokens, '7'));
  }

  /** Backs up one place, restores to another. */
  async function there(name: string, [dump, restore]: readonly [RegExp, RegExp], before = {}, after = {}) {
    const [one, other] = [join(dir, `${name}-before`), join(dir, `${name}-after`)];
    await administer(`CREATE DATABASE ${name}`);
    databaseUrl = urlOf(name);
    await rm(join(dir, 'backup'), { recursive: true, force: true });
    await Promise.all([one, other, join(dir, 'backup')].map((path) => mkdir(path)));
    const file = pdf(500_000);
    const first = await serve(one, before);
    const { body } = await first.complete(await first.upload(file), md5(file));
    const id = (await first.slice(file, 0, 200_000)).body.upload_id;
    await execute(dump, one, before);
    // Unknown to the dump: lost, but not in anybody's way.
    await first.slice(file, 200_000, 400_000, id);
    await server?.stop();
    await execute(restore, other, after);
    const second = await serve(other, after);
    expect((await second.send('GET', `/api/v2/media/${body.id}/`)).body.size).toBe(file.length);
    const bytes = await fetch(second.url + new URL(body.url as string).pathname);
    expect(Buffer.from(await bytes.arrayBuffer()).equals(file)).toBe(true);
    expect((await second.status(id)).body.offset).toBe('200000');
    for (const start of [200_000, 400_000])
      await second.slice(file, start, Math.min(start + 200_000, 500_000), id);
    expect((await second.complete(id, md5(file))).status).toBe(201);
    await server?.stop();
  }

  it('bring back finished files and uploads in progress, in another directory', async () => {
    await there('local', [/pg_dump[^]*rsync/, /pg_restore[^]*rsync/]);
  });

  const withRclone = existsSync('/usr/bin/rclone') ? it : it.skip;
  withRclone(
    'bring them back in another bucket',
    async () => {
      const stores = [await S3Server.start(), await S3Server.start()] as const;
      const [before, after] = stores.map(({ settings }) => ({
        ...settings,
        RCLONE_CONFIG_STORE_TYPE: 's3',
        RCLONE_CONFIG_STORE_PROVIDER: 'Other',
        RCLONE_CONFIG_STORE_ENDPOINT: settings['S3_ENDPOINT'] ?? '',
        RCLONE_CONFIG_STORE_ACCESS_KEY_ID: 'key',
        RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: 'secret',
        RCLONE_CONFIG_STORE_NO_CHECK_BUCKET: 'true',
      }));
      await there('bucket', [/pg_dump[^]*rclone/, /pg_restore[^]*rclone/], before, after);
      await Promise.all(stores.map((store) => store.stop()));
    },
    60_000,
  );
});
