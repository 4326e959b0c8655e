import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { StartError } from '../src/config/start-error.js';
import { prepareDatabase } from '../src/database/prepare.js';
import { freePort } from '../scripts/free-port.js';
import { listenForPostgres } from './setup/postgres-proxy.js';
import { ServerProcess } from './setup/server-process.js';
import { administer, createDatabase, dropDatabase } from './setup/test-app.js';
import { testServer, urlOf } from './setup/test-server.js';

let dataDir: string;
let database: string;
let servers: ServerProcess[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'mediadock-start-'));
  database = await createDatabase();
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  servers = [];
  await rm(dataDir, { recursive: true, force: true });
  await dropDatabase(database);
});

function start(settings: Record<string, string> = {}, options: readonly string[] = []): ServerProcess {
  const own = {
    DATA_DIR: dataDir,
    DATABASE_URL: urlOf(database),
    UNSAFE_DATABASE: 'true',
    LOG_LEVEL: 'warn',
  };
  const server = ServerProcess.start({ ...own, ...settings }, options);
  servers.push(server);
  return server;
}

/** The only line that a server prints which cannot start. */
async function refusal(settings: Record<string, string>, options: readonly string[] = []): Promise<string> {
  const { code, printed } = await start({ LOG_LEVEL: 'silent', ...settings }, options).ended();
  const lines = printed.trimEnd().split('\n');
  expect([code, lines.length]).toEqual([1, 1]);
  return lines[0]!;
}

/** The same for a database, without the rest of the server. */
async function prepare(url: string, patienceMs = 0): Promise<{ refusal: string; warnings: string[] }> {
  const warnings: string[] = [];
  const options = { unsafe: false, warn: (words: string) => warnings.push(words), patienceMs };
  const refused = await prepareDatabase({ url }, options).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(StartError);
  return { refusal: (refused as StartError).message, warnings };
}

describe('a start that cannot be is told in one line', () => {
  it('no such database', async () => {
    expect(await refusal({ DATABASE_URL: urlOf('nowhere') })).toBe(
      'DATABASE_URL: database "nowhere" does not exist. Create it: createdb --encoding=UTF8.',
    );
  });

  it('a Postgres that forgets, unless that will do', async () => {
    expect(await refusal({ UNSAFE_DATABASE: 'false' })).toMatch(
      /^DATABASE_URL: Postgres has fsync=off, full_page_writes=off, so a power cut WILL LOSE.*UNSAFE_DATABASE=true/,
    );
    expect(await start().says(/api\/docs/)).toMatch(/"msg":"Postgres has fsync=off.*WILL LOSE/);
  });

  it('no such user', async () => {
    const url = urlOf(database).replace(testServer().connection.user, 'stranger:secret');
    const { refusal } = await prepare(url);
    expect(refusal).toMatch(/^DATABASE_URL: role "stranger" does not exist\. Check the user/);
  });

  it('no privilege to make tables', async () => {
    const [role, fresh] = [`${database}_role`, `${database}_fresh`];
    await administer(`CREATE ROLE ${role} LOGIN`);
    await administer(`CREATE DATABASE ${fresh}`);
    const url = urlOf(fresh).replace(testServer().connection.user, role);
    const options = { unsafe: true, warn: () => undefined };
    const advice =
      'Let its user connect and create tables: GRANT CREATE ON SCHEMA, and ON DATABASE for the jobs.';
    await expect(prepareDatabase({ url }, options)).rejects.toThrow(
      `DATABASE_URL: permission denied for database ${fresh}. ${advice}`,
    );
    await administer(`GRANT CREATE ON DATABASE ${fresh} TO ${role}`);
    await expect(prepareDatabase({ url }, options)).rejects.toThrow(
      `DATABASE_URL: permission denied for schema public. ${advice}`,
    );
    await dropDatabase(fresh);
    await administer(`DROP ROLE ${role}`);
  });

  it('a URL that is none, without what it says', async () => {
    const { refusal } = await prepare('postgres://user:secret@host:543210/x');
    expect(refusal).toMatch(/^DATABASE_URL: Invalid URL\. It must be postgres:/);
    expect(refusal).not.toContain('secret');
  });

  it.each(['SQL_ASCII', 'LATIN1'])('a database in %s', async (encoding) => {
    const name = `${database}_${encoding.toLowerCase()}`;
    await administer(`CREATE DATABASE ${name} ENCODING '${encoding}' LOCALE 'C' TEMPLATE template0`);
    const { refusal } = await prepare(urlOf(name));
    expect(refusal).toMatch(/^DATABASE_URL: the encoding of the database is (SQL_ASCII|LATIN1), .*=UTF8/);
    await dropDatabase(name);
  });

  it('a Postgres that does not come up in time', async () => {
    const port = await freePort();
    const { refusal, warnings } = await prepare(`postgres://user:secret@127.0.0.1:${port}/x`, 300);
    const refused = `connect ECONNREFUSED 127.0.0.1:${port}`;
    expect(refusal).toBe(
      `DATABASE_URL: no Postgres accepted writes within 1 s: ${refused}. Start it, or correct DATABASE_URL.`,
    );
    expect(warnings).toEqual([`Waiting up to 1 s for a Postgres that accepts writes: ${refused}`]);
  });

  it('a port that is taken', async () => {
    const { port } = new URL(await start().url());
    expect(await refusal({ PORT: port })).toBe(
      `HOST, PORT: 127.0.0.1:${port} is in use: stop what listens there, or choose another port.`,
    );
    expect(await refusal({ METRICS_PORT: port })).toMatch(/^METRICS_HOST, METRICS_PORT: .* is in use/);
  });

  it('a host that is not of this machine', async () => {
    expect(await refusal({ HOST: '192.0.2.1' })).toMatch(
      /^HOST, PORT: 192\.0\.2\.1:0 is not an address of this/,
    );
    expect(await refusal({ HOST: 'no.host.invalid' })).toMatch(
      /^HOST, PORT: .* cannot be listened on: getaddrinfo/,
    );
  });

  it('a directory below a file', async () => {
    await writeFile(join(dataDir, 'file'), '');
    const directory = join(dataDir, 'file', 'data');
    expect(await refusal({ DATA_DIR: directory })).toMatch(
      new RegExp(`^DATA_DIR: ${directory} cannot be written to \\(ENOTDIR: `),
    );
    expect(await refusal({ DATA_DIR: directory, JWT_SECRET: '' })).toMatch(/^DATA_DIR: .*set JWT_SECRET\.$/);
  });

  it('settings that cannot be read', async () => {
    await mkdir(join(dataDir, '.env'));
    const { status, stderr } = spawnSync(process.execPath, [resolve('dist/src/main.js')], {
      ...{ cwd: dataDir, encoding: 'utf8' },
      env: {},
    });
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^\.env: cannot be read \(.*\)\. Correct it.*\n$/),
    ]);
  });

  it('a role for which foreign keys do not count', async () => {
    await administer(`ALTER DATABASE ${database} SET session_replication_role = replica`);
    const options = { unsafe: true, warn: () => undefined };
    await expect(prepareDatabase({ url: urlOf(database) }, options)).rejects.toThrow(
      'DATABASE_URL: Postgres did not accept session_replication_role=origin.',
    );
  });

  it('files/ that cannot be written to', async () => {
    await writeFile(join(dataDir, 'files'), '');
    expect(await refusal({})).toMatch(new RegExp(`^DATA_DIR: ${dataDir}/files cannot be written to`));
  });

  it('a Node that is too old, and which one it takes', async () => {
    const line = await refusal({}, ['--import', resolve('test/setup/faked-node.js')]);
    expect(line).toBe('Mediadock needs Node.js 20.19 or newer, but this is 18.20.8. Please upgrade.');
    const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
    expect(engines.node).toBe('>=20.19');
    // `npm start` builds first, and there are commands.
    for (const program of ['scripts/build.js', 'dist/src/command.js']) {
      const args = ['--import', resolve('test/setup/faked-node.js'), program];
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      expect([status, stderr]).toEqual([1, `${line}\n`]);
    }
  });
});

describe('a Postgres that is coming up', () => {
  it('is waited for', async () => {
    const port = await freePort();
    const { user } = testServer().connection;
    const server = start({ DATABASE_URL: `postgres://${user}@127.0.0.1:${port}/${database}` });
    await server.says(/Waiting up to 60 s for a Postgres that accepts writes: connect ECONNREFUSED/);
    const close = await listenForPostgres(port);
    expect((await fetch(`${await server.url()}/health/ready`)).status).toBe(200);
    await server.stop();
    await close();
  });
});

describe('a Postgres whose certificate no public CA has signed', () => {
  let close: () => Promise<void>;
  let ca: string;
  const urlFor = (host: string, parameters: string) =>
    `postgres://${testServer().connection.user}@${host}/${database}?${parameters}`;
  let host: string;

  beforeEach(async () => {
    ca = join(dataDir, 'ca.pem');
    const key = join(dataDir, 'key.pem');
    const request = 'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext';
    const files = ['subjectAltName=DNS:localhost', '-keyout', key, '-out', ca];
    execFileSync('openssl', [...request.split(' '), ...files], { stdio: 'ignore' });
    const port = await freePort();
    host = `localhost:${port}`;
    close = await listenForPostgres(port, { key: readFileSync(key), cert: readFileSync(ca) });
  });
  afterEach(() => close());

  it('is refused in one line, which says how to name its CA', async () => {
    const parameters = 'sslmode=verify-full&sslrootcert=/path/to/ca.pem';
    expect(await refusal({ DATABASE_URL: urlFor(host, 'sslmode=require') })).toBe(
      `DATABASE_URL: self-signed certificate. Name the CA of its certificate: ?${parameters}.`,
    );
  });

  it('is taken with its CA, in silence, by a name of its certificate', async () => {
    const parameters = `sslmode=require&sslrootcert=${ca}`;
    const server = start({ DATABASE_URL: urlFor(host, parameters) });
    expect((await fetch(`${await server.url()}/health/ready`)).status).toBe(200);
    expect(await server.says(/api\/docs/)).not.toContain('SECURITY WARNING');
    const byAddress = await prepare(urlFor(host.replace('localhost', '127.0.0.1'), parameters));
    expect(byAddress.refusal).toMatch(/ does not match .*\. Use a host name that its certificate has\.$/);
  });
});

describe('a database that is older than its files', () => {
  it('is told of at the start, with how many files it does not know', async () => {
    await start().url();
    await servers.pop()?.stop();
    await mkdir(join(dataDir, 'files'), { recursive: true });
    for (let i = 0; i < 6; i++) await writeFile(join(dataDir, 'files', `${i}`.repeat(32)), 'newer');
    expect(await start().says(/quarantine/)).toMatch(/"orphans":6,.*6 files have no row.*quarantine/);
  });
});
