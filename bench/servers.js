// @ts-check
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SignJWT } from 'jose';
import pg from 'pg';
import { freePort } from '../scripts/free-port.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const SECRET = randomBytes(32).toString('base64url');

/**
 * A server under test, with its own process and directory. `store` has the settings of an object store.
 * @typedef {{ name: string, url: string, token: string, pid: number, dir: string, startMs: number, stop: () => Promise<void>, store?: Record<string, string> }} Target
 */

/**
 * This server as in production: built, with tokens, multipart, Postgres and syncs.
 * @param {Record<string, string>} [settings] @returns {Promise<Target>}
 */
export async function mediadock(settings = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'mediadock-bench-'));
  const port = await freePort();
  const env = {
    NODE_ENV: 'production',
    JWT_SECRET: SECRET,
    DATA_DIR: dir,
    HOST: '127.0.0.1',
    PORT: String(port),
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    LOG_LEVEL: 'warn',
    // All load comes from one user. The limits are checked as usual, but too high to be reached.
    USER_MAX_OPEN_UPLOADS: '10000000',
    USER_MAX_RESERVED_BYTES: '100000000000000',
    USER_UPLOADS_PER_HOUR: '10000000',
    ADDRESS_UPLOADS_PER_HOUR: '10000000',
    ...settings,
  };
  const token = await tokenOf('1');
  return await start('mediadock', [join(HERE, '..', 'dist', 'src', 'main.js')], dir, env, token);
}

/** A token that every server under test accepts. @param {string} userId @returns {Promise<string>} */
export async function tokenOf(userId) {
  return await new SignJWT({ sub: userId, token_type: 'access' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1d')
    .sign(new TextEncoder().encode(SECRET));
}

/**
 * `@tus/server` with its file store: no authentication, no database, no multipart, no sync.
 * @returns {Promise<Target>}
 */
export async function tus() {
  const dir = await mkdtemp(join(tmpdir(), 'mediadock-bench-tus-'));
  return await start('@tus/server', [join(HERE, 'peers', 'tus.js'), dir], dir, {}, '');
}

/** The minimum that a server which syncs must do. @returns {Promise<Target>} */
export async function floor() {
  const dir = await mkdtemp(join(tmpdir(), 'mediadock-bench-floor-'));
  return await start('synced floor', [join(HERE, 'peers', 'floor.js'), dir], dir, {}, '');
}

/**
 * @param {string} name @param {string[]} args @param {string} dir @param {Record<string, string>} env @param {string} token
 * @returns {Promise<Target>}
 */
async function start(name, args, dir, env, token) {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await addressOf(child);
  const stop = async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
    await rm(dir, { recursive: true, force: true });
  };
  return { name, url, token, pid: child.pid ?? 0, dir, startMs: performance.now() - startedAt, stop };
}

/** @param {import('node:child_process').ChildProcess} child @returns {Promise<string>} */
async function addressOf(child) {
  let printed = '';
  for await (const text of child.stdout ?? []) {
    printed += text;
    const url = /http:\/\/(?:localhost|127\.0\.0\.1):\d+/.exec(printed)?.[0];
    if (url && printed.endsWith('\n')) return url.replace('localhost', '127.0.0.1');
  }
  throw new Error(`The server ended: ${printed}`);
}

/**
 * CPU time in milliseconds of a server and its workers, without Postgres.
 * @param {number} pid @returns {Promise<number>}
 */
export async function cpuMs(pid) {
  const workers = (await childrenOf(pid))
    .filter(({ name }) => name === 'node')
    .map(({ pid }) => processMs(pid));
  return (await Promise.all([processMs(pid), ...workers])).reduce((sum, time) => sum + time, 0);
}

/** @param {number} pid @returns {Promise<number>} */
async function processMs(pid) {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** @param {number} pid @returns {Promise<{ pid: number, name: string }[]>} */
async function childrenOf(pid) {
  const pids = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8'))
    .trim()
    .split(' ')
    .filter(Boolean);
  return await Promise.all(
    pids.map(async (child) => ({
      pid: Number(child),
      // A worker of Postgres may have ended meanwhile.
      name: (await readFile(`/proc/${child}/comm`, 'utf8').catch(() => '')).trim(),
    })),
  );
}

/** Peak resident memory of a process in MB. @param {number} pid @returns {Promise<number>} */
export async function peakMb(pid) {
  return await memoryMb(pid, /VmHWM:\s+(\d+)/);
}

/** Resident memory of a process, now, in MB. @param {number} pid @returns {Promise<number>} */
export async function residentMb(pid) {
  return await memoryMb(pid, /VmRSS:\s+(\d+)/);
}

/** @param {number} pid @param {RegExp} line @returns {Promise<number>} */
async function memoryMb(pid, line) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(line.exec(status)?.[1]) / 1024);
}

/**
 * CPU time of all Postgres processes of a server, in milliseconds.
 * @param {Target} target @returns {Promise<number>}
 */
export async function postgresCpuMs({ dir, name }) {
  if (name !== 'mediadock') return 0;
  const postmaster = Number((await readFile(join(dir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
  const pids = [postmaster, ...(await childrenOf(postmaster)).map(({ pid }) => pid)];
  const times = await Promise.all(pids.map((pid) => processMs(pid).catch(() => 0)));
  return times.reduce((sum, time) => sum + time, 0);
}

/** For another server on the Postgres of this one. @param {Target} target */
export function databaseUrlOf({ dir }) {
  return `postgresql://mediadock@localhost/postgres?host=${encodeURIComponent(join(dir, 'postgres-socket'))}`;
}

/**
 * Connects to the Postgres of a server. The caller ends the connection.
 * @param {Target} target @returns {Promise<pg.Client>}
 */
export async function postgresOf(target) {
  const client = new pg.Client(databaseUrlOf(target));
  await client.connect();
  return client;
}
