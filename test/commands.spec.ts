import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Server } from './setup/s3-server.js';
import { runCommand } from './setup/run-command.js';
import { administer, ask, createDatabase, dropDatabase, JWT_SECRET } from './setup/test-app.js';
import { urlOf } from './setup/test-server.js';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'mediadock-commands-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

/** The only line that a command prints which is refused. */
async function refusal(settings: Record<string, string>, ...args: string[]): Promise<string> {
  const { code, printed } = await runCommand({ DATA_DIR: dataDir, ...settings }, ...args);
  const lines = printed.trimEnd().split('\n');
  expect([code, lines.length, printed]).toEqual([1, 1, expect.any(String)]);
  return lines[0]!;
}

describe('where no server has ever run, a command makes nothing, and says so', () => {
  it.each(['fsck', 'fsck --fix', 'erase --user 7 --yes', 'webhooks list'])('%s', async (command) => {
    const nowhere = join(dataDir, 'data');
    for (const [secret, missing] of [['', 'jwt-secret'] as const, [JWT_SECRET, 'postgres'] as const]) {
      const settings = { DATA_DIR: nowhere, JWT_SECRET: secret };
      expect(await refusal(settings, ...command.split(' '))).toMatch(
        `DATA_DIR: there is no ${nowhere}/${missing}: `,
      );
    }
    expect(existsSync(nowhere)).toBe(false);
  });

  it('migrate-storage', async () => {
    const moving = { STORAGE: 's3', S3_BUCKET: 'bucket', S3_MIGRATE_FROM: join(dataDir, 'old') };
    expect(await refusal(moving, 'migrate-storage')).toMatch(/^DATA_DIR: there is no .*\/postgres: /);
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('token', async () => {
    expect(await refusal({ JWT_SECRET: '' }, 'token')).toMatch(/^DATA_DIR: there is no .*\/jwt-secret: /);
    expect(await readdir(dataDir)).toEqual([]);
  });
});

describe('a command on a database', () => {
  let database: string;
  let settings: Record<string, string>;

  beforeEach(async () => {
    database = await createDatabase();
    settings = { DATABASE_URL: urlOf(database) };
    await writeFile(join(dataDir, 'database-id'), 'of another database\n');
  });
  afterEach(() => dropDatabase(database));

  it('without a directory for its files is refused', async () => {
    const nowhere = join(dataDir, 'data');
    expect(await refusal({ ...settings, DATA_DIR: nowhere }, 'fsck')).toMatch(
      `DATA_DIR: there is no ${nowhere}/database-id: `,
    );
    expect(existsSync(nowhere)).toBe(false);
  });

  it('with a directory of something else is refused', async () => {
    const other = join(dataDir, 'other');
    await mkdir(other);
    expect(await refusal({ ...settings, DATA_DIR: other }, 'fsck', '--fix')).toMatch(
      `DATA_DIR: there is no ${other}/database-id: `,
    );
    expect(await readdir(other)).toEqual([]);
    const { code, printed } = await runCommand({ ...settings, DATA_DIR: dataDir }, 'fsck', '--fix');
    expect([code, printed]).toEqual([1, expect.stringMatching(/do not belong together/)]);
  });

  it('with a bucket of something else is refused', async () => {
    const store = await S3Server.start();
    const { code, printed } = await runCommand(
      { ...settings, ...store.settings, DATA_DIR: dataDir },
      'fsck',
      '--fix',
    );
    expect([code, printed]).toEqual([1, expect.stringMatching(/do not belong together/)]);
    expect(store.keys('')).toEqual([]);
    await store.stop();
  });

  it('that is empty is refused, and leaves it empty', async () => {
    await dropDatabase(database);
    await administer(`CREATE DATABASE ${database}`);
    expect(await refusal(settings, 'fsck')).toMatch(/^DATA_DIR, DATABASE_URL: .* has no tables of Mediadock/);
    expect(await ask(database, `SELECT to_regclass('migration') AS made`)).toEqual([{ made: null }]);
  });

  it('that is older is refused, and leaves it to the server of that version', async () => {
    await ask(database, `DELETE FROM migration WHERE id > 1`);
    const before = await ask(database, `SELECT * FROM migration`);
    expect(await refusal(settings, 'erase', '--user', '7')).toMatch(/^DATA_DIR, DATABASE_URL: .* older /);
    expect(await ask(database, `SELECT * FROM migration`)).toEqual(before);
  });

  it('that is newer is refused', async () => {
    await ask(database, `INSERT INTO migration (timestamp, name) VALUES (9e12, 'Later9000000000000')`);
    expect(await refusal(settings, 'fsck')).toMatch(/^DATA_DIR, DATABASE_URL: .* newer /);
  });

  it('of its own version runs', async () => {
    const id = randomUUID();
    await ask(database, `INSERT INTO data_directory (id) VALUES ('${id}')`);
    await writeFile(join(dataDir, 'database-id'), `${id}\n`);
    expect(await runCommand({ ...settings, DATA_DIR: dataDir }, 'fsck')).toEqual({
      code: 0,
      printed: expect.stringMatching(/^clean: /),
    });
  });
});

describe('npm run token', () => {
  it('prints a token', async () => {
    const { code, printed } = await runCommand({ DATA_DIR: dataDir }, 'token', '--user', '7');
    const [, claims = ''] = printed.split('.');
    expect([code, JSON.parse(Buffer.from(claims, 'base64url').toString())]).toEqual([
      0,
      expect.objectContaining({ user_id: 7, sub: '7' }),
    ]);
  });

  it('tells in a few words which setting is wrong', async () => {
    expect(await runCommand({ DATA_DIR: dataDir, PORT: 'x' }, 'token')).toEqual({
      code: 1,
      printed: expect.stringMatching(/^These settings are wrong:\n {2}PORT: [^\n]*\n$/),
    });
  });

  it('signs none in the place of an issuer', async () => {
    const issuer = { JWT_SECRET: '', JWKS_URL: 'https://issuer.example/keys', JWT_ISSUER: 'i' };
    expect(await refusal({ ...issuer, JWT_AUDIENCE: 'a' }, 'token')).toMatch(/^JWKS_URL: /);
  });

  it('signs none for nobody', async () => {
    expect(await refusal({}, 'token', '--user', '')).toBe('Usage: npm run token -- [--user ID]');
  });
});
