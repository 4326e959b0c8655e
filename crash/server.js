// @ts-check
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignJWT } from 'jose';
import { spawnGuarded } from '../cluster/guard.js';

const START_MS = 60_000;
const SECRET = 'the crash harness signs nothing of value with this';
export const TOKEN = await new SignJWT({ user_id: 1, token_type: 'access' })
  .setProtectedHeader({ alg: 'HS256' })
  .setExpirationTime('1d')
  .sign(new TextEncoder().encode(SECRET));

/**
 * @typedef {object} ServerOptions
 * @property {string} checkout directory with the built server in `dist`
 * @property {string} dataDir
 * @property {string} databaseUrl
 * @property {Record<string, string>} [settings] environment variables that override those of the harness
 * @property {readonly string[]} [under] a command to start the server with, such as strace
 */

/** @param {string} dataDir @param {string} databaseUrl */
export function environmentOf(dataDir, databaseUrl) {
  return {
    PATH: process.env['PATH'],
    DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    HOST: '127.0.0.1',
    PORT: '0',
    JWT_SECRET: SECRET,
    LOG_LEVEL: 'error',
    // All uploads belong to one user, and the simulated disks are small.
    USER_MAX_OPEN_UPLOADS: '0',
    USER_MAX_RESERVED_BYTES: '0',
    USER_UPLOADS_PER_HOUR: '0',
    ADDRESS_UPLOADS_PER_HOUR: '0',
    DISK_RESERVE_BYTES: '0',
  };
}

/** One process of the built server, on a free port of the loopback interface. */
export class Server {
  /** @param {import('node:child_process').ChildProcess} child @param {{ words: string }} output */
  constructor(child, output) {
    this.child = child;
    this.output = output;
    this.exit = once(child, 'exit');
    /** Whether we stopped it. */
    this.asked = false;
    this.url = '';
    this.token = TOKEN;
  }

  /** @param {ServerOptions} options */
  static launch({ checkout, dataDir, databaseUrl, settings = {}, under = [] }) {
    const env = { ...environmentOf(dataDir, databaseUrl), ...settings };
    const [program = '', ...args] = [...under, process.execPath, join(checkout, 'dist/src/main.js')];
    const child = spawnGuarded(program, args, { cwd: dataDir, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { words: '' };
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text) => (output.words = (output.words + text).slice(-8000)));
    }
    return new Server(child, output);
  }

  get pid() {
    return /** @type {number} */ (this.child.pid);
  }

  get running() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Its output, if it ended by itself and was not killed. */
  get lastWords() {
    const fault = !this.running && !this.asked && this.child.signalCode !== 'SIGKILL';
    return fault ? `ended by itself: ${this.output.words.slice(-1500)}` : undefined;
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    this.child.kill(signal);
  }

  /** kill -9. Resolves when it has ended. */
  async kill() {
    this.asked = true;
    this.signal('SIGKILL');
    await this.exit;
  }

  /** Asks it to stop. Resolves to its exit code and how long it took. */
  async stop() {
    const start = performance.now();
    this.asked = true;
    this.signal('SIGTERM');
    const [code] = await this.exit;
    return { code, milliseconds: Math.round(performance.now() - start) };
  }

  /** Resolves once it is ready for uploads. */
  async untilReady() {
    const deadline = Date.now() + START_MS;
    while (Date.now() < deadline && this.running) {
      const [, port] = /http:\/\/localhost:(\d+)\//.exec(this.output.words) ?? [];
      if (port && (await isReady(port))) {
        this.url = `http://127.0.0.1:${port}`;
        return;
      }
      await sleep(20);
    }
    this.signal('SIGKILL');
    throw new Error(`The server did not start:\n${this.output.words}`);
  }
}

/** @param {string} port */
async function isReady(port) {
  const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
  await answer?.arrayBuffer();
  return answer?.status === 200;
}
