import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import pg from 'pg';
import { EmbeddedPostgres, EmbeddedPostgresError } from './embedded-postgres.js';

jest.setTimeout(60_000);

const settings = { fsync: 'off', full_page_writes: 'off' };
const itOnLinux = process.platform === 'linux' ? it : it.skip;
const asRoot = process.geteuid?.() === 0;
const itAsRoot = asRoot && process.platform === 'linux' ? it : it.skip;

let scratch: string;
let program: string;
/** One cluster for the tests that do not care how it came about. */
let shared: string;
const servers: EmbeddedPostgres[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  scratch = await realpath(await mkdtemp(join(tmpdir(), 'mediadock-postgres-')));
  await chmod(scratch, 0o755);
  program = await writeHolder();
  shared = join(scratch, 'shared');
  await (await start(shared)).stop();
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(servers.splice(0).map(async (server) => await server.stop()));
  await until(() => processes().length === 0);
});

afterAll(async () => {
  await rm(scratch, { recursive: true });
});

describe('EmbeddedPostgres', () => {
  it('makes a durable, private Postgres out of nothing', async () => {
    const server = await EmbeddedPostgres.start({ dataDir: join(scratch, 'new', 'deep') });
    servers.push(server);
    const names = ['fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums', 'server_encoding'];
    const rows = await query<{ setting: string }>(
      server,
      `SELECT setting FROM pg_settings WHERE name = ANY('{${names.join()}}') ORDER BY array_position('{${names.join()}}', name)`,
    );
    expect(rows.map(({ setting }) => setting)).toEqual(['on', 'on', 'on', 'on', 'UTF8']);
    expect(await query(server, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '' }]);
    expect((await stat(server.connection.host)).mode & 0o777).toBe(0o700);
  });

  it('keeps what was written, and leaves no process behind', async () => {
    const first = await start(shared);
    await query(first, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    expect(await postgresPid(shared)).toBeUndefined();
    await until(() => processes().length === 0);
    expect(await query(await start(shared), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('is shared, and stops with its last holder only', async () => {
    const first = await start(shared);
    const second = await start(shared);
    expect(await pidOf(second)).toBe(await pidOf(first));
    await first.stop();
    await first.stop();
    expect(await query(second, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await second.stop();
    expect(await postgresPid(shared)).toBeUndefined();
  });

  it('is one for all that start at once, from nothing', async () => {
    const dataDir = join(scratch, 'race');
    const holders = [hold(dataDir), hold(dataDir)];
    const inside = await Promise.all([start(dataDir), start(dataDir), start(dataDir)]);
    await Promise.all(holders);
    expect(new Set(await Promise.all(inside.map(pidOf))).size).toBe(1);
    expect((await readdir(dataDir)).filter((name) => name.includes('.new-'))).toEqual([]);
  });

  it('is never lost to a holder that leaves while another comes', async () => {
    let held = await start(shared);
    for (let i = 0; i < 15; i++) {
      const [next] = await Promise.all([start(shared), held.stop()]);
      expect(await query(next, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      held = next;
    }
  });

  it('stops when its holder is killed', async () => {
    const holder = await hold(shared);
    expect(await postgresPid(shared)).toBeGreaterThan(0);
    holder.kill('SIGKILL');
    await until(() => processes().length === 0);
    expect(existsSync(join(shared, 'postgres', 'postmaster.pid'))).toBe(false);
  });

  itOnLinux('replaces a Postgres whose holder and guard were both killed', async () => {
    const holder = await hold(shared);
    const orphan = await postgresPid(shared);
    for (const { pid } of processes().filter(({ command }) => command.startsWith('/bin/sh')))
      process.kill(pid, 'SIGKILL');
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(await postgresPid(shared)).toBe(orphan);
    const server = await start(shared);
    expect(await pidOf(server)).not.toBe(orphan);
    expect(processes().some(({ pid }) => pid === orphan)).toBe(false);
  });

  it('starts again after Postgres was killed, though an old holder remains', async () => {
    const holder = await start(shared);
    const killed = await pidOf(holder);
    process.kill(killed, 'SIGKILL');
    await until(() => !processes().some(({ pid }) => pid === killed));
    expect(await pidOf(await start(shared))).not.toBe(killed);
    expect(await query(holder, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('is started again at the same address when it ends on its own', async () => {
    const [first, second] = [await start(shared), await start(shared)];
    const pid = await pidOf(first);
    process.kill(pid, 'SIGKILL');
    await until(async () => (await pidOf(second).catch(() => pid)) !== pid);
    expect(await query(first, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await first.stop();
    expect(await query(second, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('is not kept running by a start that failed', async () => {
    const server = await start(shared);
    const lock = join(shared, 'postgres', 'postmaster.pid');
    await rename(lock, `${lock}.aside`);
    await mkdir(lock);
    await expect(start(shared)).rejects.toMatchObject({ cause: { code: 'EISDIR' } });
    await rmdir(lock);
    await rename(`${lock}.aside`, lock);
    await server.stop();
    await until(() => processes().length === 0);
  });

  it('is not fooled by a lock whose process id now is of another program', async () => {
    const { uid, gid } = await stat(join(shared, 'postgres'));
    const stranger = spawn('sleep', ['600'], { ...(asRoot && { uid, gid }), stdio: 'ignore' });
    children.push(stranger);
    const pid = join(shared, 'postgres', 'postmaster.pid');
    const socket = join(shared, 'postgres-socket', '.s.PGSQL.5432.lock');
    for (const lock of [pid, socket]) {
      await writeFile(lock, `${stranger.pid}\n${join(shared, 'postgres')}\n1763800000\n5432\n`);
      await chown(lock, uid, gid);
    }
    await (await start(shared)).stop();
    await writeFile(pid, '');
    await chown(pid, uid, gid);
    expect(await query(await start(shared), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  });

  it('works in a directory whose path is too long for a socket', async () => {
    const dataDir = join(scratch, 'long "quoted", '.repeat(8), 'data');
    const server = await start(dataDir);
    expect(server.connection.host).not.toContain('long');
    expect(await pidOf(await start(dataDir))).toBe(await pidOf(server));
    await removeAfterStop(server.connection.host);
  });

  it('passes over what a killed initdb left', async () => {
    const dataDir = join(scratch, 'leftover');
    const leftover = join(dataDir, 'postgres.new-AbCdEf');
    await mkdir(join(leftover, 'base'), { recursive: true });
    await writeFile(join(leftover, 'PG_VERSION'), '18\n');
    await start(dataDir);
    expect(existsSync(leftover)).toBe(false);
  });

  it('says what Postgres complained about', async () => {
    const failed = EmbeddedPostgres.start({ dataDir: shared, settings: { work_mem: 'plenty' } });
    await expect(failed).rejects.toThrow(EmbeddedPostgresError);
    await expect(failed).rejects.toThrow(/invalid value for parameter "work_mem": "plenty"/);
  });

  it('says so when the data directory cannot be used', async () => {
    const file = join(scratch, 'file');
    await writeFile(file, '');
    const failed = EmbeddedPostgres.start({ dataDir: join(file, 'data') });
    await expect(failed).rejects.toMatchObject({ name: 'EmbeddedPostgresError', cause: { code: 'ENOTDIR' } });
  });

  // These need root, and are skipped without.
  itAsRoot('as root, runs as a system user without the groups of root', async () => {
    const pid = await pidOf(await start(shared));
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const { uid } = await stat(join(shared, 'postgres'));
    expect(uid).not.toBe(0);
    expect(status).toContain(`Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
    expect(status).toMatch(/^Groups:\s*$/m);
    expect(status).toContain('CapEff:\t0000000000000000\n');
  });

  itAsRoot('as root, works below a directory that is closed to all others', async () => {
    const closed = join(scratch, 'closed');
    await mkdir(closed, { mode: 0o700 });
    const server = await start(join(closed, 'data'));
    const status = await readFile(`/proc/${await pidOf(server)}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\t[1-9]/m);
    expect(status).toMatch(/^Groups:\s*$/m);
    expect(status).toContain('CapEff:\t0000000000000002\n');
    await server.stop();
    expect(await query(await start(join(closed, 'data')), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  itAsRoot('as root, refuses a cluster of root and names it', async () => {
    const dataDir = join(scratch, 'roots');
    await mkdir(join(dataDir, 'postgres'), { recursive: true });
    await expect(start(dataDir)).rejects.toThrow(`${join(dataDir, 'postgres')} belongs to root`);
  });

  itAsRoot('as root, runs as the owner of the cluster', async () => {
    const dataDir = join(scratch, 'owned');
    await mkdir(join(dataDir, 'postgres'), { recursive: true });
    await (await start(join(dataDir, 'model'))).stop();
    await rm(join(dataDir, 'postgres'), { recursive: true });
    await run('cp', '-Rp', join(dataDir, 'model', 'postgres'), join(dataDir, 'postgres'));
    await run('chown', '-R', '12345:12345', join(dataDir, 'postgres'));
    const pid = await pidOf(await start(dataDir));
    expect((await stat(`/proc/${pid}`)).uid).toBe(12345);
  });
});

async function start(dataDir: string): Promise<EmbeddedPostgres> {
  const server = await EmbeddedPostgres.start({ dataDir, settings });
  servers.push(server);
  return server;
}

async function query<Row extends pg.QueryResultRow>(server: EmbeddedPostgres, text: string): Promise<Row[]> {
  const client = new pg.Client(server.connection);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

async function pidOf(server: EmbeddedPostgres): Promise<number> {
  const text = `SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid`;
  const [row] = await query<{ pid: number }>(server, text);
  return row!.pid;
}

/** The postmaster of a data directory if it is alive. */
async function postgresPid(dataDir: string): Promise<number | undefined> {
  const text = await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '0');
  const pid = Number.parseInt(text);
  return processes().some((found) => found.pid === pid) ? pid : undefined;
}

/** Everything that runs on or in the scratch directory, except the holders: guards, postmasters and backends. */
function processes(): { pid: number; command: string }[] {
  const all = process.platform === 'linux' ? processesOfLinux() : processesOfPs();
  return all.filter(
    ({ command }) => command.includes(`${scratch}/`) && !command.startsWith(process.execPath),
  );
}

/** With the working directory, which alone tells whose a backend is. */
function processesOfLinux(): { pid: number; command: string }[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return [{ pid: Number(pid), command: `${command} ${readlinkSync(`/proc/${pid}/cwd`)}/` }];
    } catch {
      return []; // It has ended meanwhile, or is another user's.
    }
  });
}

function processesOfPs(): { pid: number; command: string }[] {
  const lines = execFileSync('ps', ['-axww', '-o', 'pid=,command='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => ({ pid: Number.parseInt(line), command: line.trim().replace(/^\d+ /, '') }));
}

/** Another process that holds the Postgres of a data directory until it is killed. */
async function hold(dataDir: string): Promise<ChildProcess> {
  const holder = spawn(process.execPath, [program, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(holder);
  await once(holder.stdout!, 'data');
  return holder;
}

async function writeHolder(): Promise<string> {
  const built = pathToFileURL('dist/src/database/embedded/embedded-postgres.js').href;
  const main = `import { EmbeddedPostgres } from '${built}';
    await EmbeddedPostgres.start({ dataDir: process.argv[2], settings: { fsync: 'off' } });
    console.log('ready');
    setInterval(() => undefined, 1000);`;
  const path = join(scratch, 'holder.mjs');
  await writeFile(path, main);
  return path;
}

async function run(command: string, ...args: string[]): Promise<void> {
  const [code] = await once(spawn(command, args, { stdio: 'inherit' }), 'exit');
  expect(code).toBe(0);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Still there: ${JSON.stringify(processes())}`);
    await sleep(20);
  }
}

/** The socket directory outside of the data directory outlives Postgres on purpose. */
async function removeAfterStop(directory: string): Promise<void> {
  await Promise.all(servers.splice(0).map(async (server) => await server.stop()));
  await rm(directory, { recursive: true });
}
