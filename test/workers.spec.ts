import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { EmbeddedPostgres } from '../src/database/embedded/embedded-postgres.js';
import { pdf } from './setup/samples.js';
import { Client, md5, type Answer } from './setup/client.js';
import { freePort } from '../scripts/free-port.js';
import { processesOn } from './setup/processes-on.js';
import { until } from './setup/until.js';

const itOnLinux = process.platform === 'linux' ? it : it.skip;

/** The built server, in a process group of its own. */
async function start(
  dataDir: string,
  settings: Record<string, string> = {},
  [program, ...args]: readonly [string, ...string[]] = [process.execPath, 'dist/src/main.js'],
): Promise<{ primary: ChildProcess; client: Client }> {
  const env = {
    PATH: process.env['PATH'],
    DATA_DIR: dataDir,
    PORT: '0',
    WORKERS: '2',
    LOG_LEVEL: 'silent',
    ...settings,
  };
  const primary = spawn(program, args, {
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  for await (const text of primary.stdout) {
    printed += text;
    const [, url, token] = /(http:\/\/\S+?)\/api\/docs[^]*\s(eyJ\S+)\s/.exec(printed) ?? [];
    if (url && token) return { primary, client: new Client(url, token) };
  }
  throw new Error(`The server ended: ${printed}`);
}

async function workersOf({ pid }: ChildProcess): Promise<number[]> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8'))
    .trim()
    .split(' ')
    .map(Number);
  const commands = await Promise.all(
    children.map((child) => readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')),
  );
  return children.filter((_, i) => commands[i]?.includes('main.js'));
}

/**
 * Connections to a dead worker break, and one that it was just being handed is never answered; whoever sends again
 * reaches its successor.
 */
async function insist(send: () => Promise<Answer>): Promise<Answer> {
  for (const deadline = Date.now() + 20_000; ;) {
    try {
      return await Promise.race([send(), silence()]);
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

async function silence(): Promise<never> {
  await setTimeout(3000, undefined, { ref: false });
  throw new Error('No answer');
}

let dataDir: string;
let primary: ChildProcess;

afterEach(async () => {
  // Asked to stop, it is gone when its Postgres is; killed, Postgres would still be writing to what is removed.
  const isRunning = primary.exitCode === null && primary.signalCode === null;
  if (isRunning && primary.kill('SIGTERM')) await once(primary, 'exit');
  // What a failed test leaves.
  for (const pid of await processesOn(dataDir)) process.kill(Number(pid), 'SIGKILL');
  await rm(dataDir, { recursive: true });
});

itOnLinux(
  'two workers share a port, and those that are killed are replaced while the upload goes on',
  async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'mediadock-workers-'));
    const started = await start(dataDir);
    primary = started.primary;
    const { client } = started;
    const file = pdf(600_000);
    let at = (await client.slice(file, 0, 100_000)).body;
    const before = await workersOf(primary);
    expect(before).toHaveLength(2);
    for (const worker of before) process.kill(worker, 'SIGKILL');
    while (Number(at.offset) < file.length) {
      const next = Math.min(file.length, Number(at.offset) + 100_000);
      at = (await insist(() => client.slice(file, Number(at.offset), next, at.upload_id))).body;
    }
    expect((await insist(() => client.complete(at.upload_id, md5(file)))).status).toBeLessThan(300);
    const replaced = async () =>
      (await workersOf(primary)).filter((pid) => !before.includes(pid)).length === 2;
    while (!(await replaced())) await new Promise(setImmediate);
    primary.kill('SIGTERM');
    expect(await once(primary, 'exit')).toEqual([0, null]);
  },
  60_000,
);

itOnLinux(
  'metrics are those of all workers together',
  async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'mediadock-workers-'));
    const port = await freePort();
    const started = await start(dataDir, { METRICS_PORT: String(port), HOST: '127.0.0.1' });
    primary = started.primary;
    const { client } = started;
    // A connection each, so that both workers get some of them.
    await Promise.all(Array.from({ length: 8 }, () => client.slice(pdf(1000), 0, 500)));
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(text).toMatch(/^mediadock_stored_bytes_total 4000$/m);
    expect(text).toMatch(
      /^mediadock_http_request_duration_seconds_count\{method="POST",route="\/api\/v2\/media\/upload\/chunk",status="201"\} 8$/m,
    );
    expect(text).toMatch(/^process_resident_memory_bytes /m);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
    expect((await fetch(`${client.url}/metrics`)).status).toBe(404);
  },
  60_000,
);

/** Sends a chunk, the last half of it once `between` has resolved. */
async function chunkInHalves({ url, token }: Client, between: () => Promise<void>): Promise<number> {
  const form = new FormData();
  form.append('image', new Blob([new Uint8Array(pdf(1000))]), 'a.pdf');
  const { headers, body } = new Response(form);
  const bytes = Buffer.from(await new Response(body).arrayBuffer());
  const sending = request(`${url}/api/v2/media/upload/chunk/`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': headers.get('content-type') ?? '',
      'content-length': bytes.length,
      'content-range': 'bytes 0-999/1000',
      expect: '100-continue',
    },
  });
  const answered = once(sending, 'response') as Promise<[IncomingMessage]>;
  sending.flushHeaders();
  await once(sending, 'continue');
  sending.write(bytes.subarray(0, 500));
  await between();
  sending.end(bytes.subarray(500));
  const [{ statusCode = 0 }] = await answered;
  return statusCode;
}

/** A connection that comes as the workers stop may wait in the primary until they have ended: the next one does not. */
async function isRefused(url: string): Promise<boolean> {
  return await fetch(url, { signal: AbortSignal.timeout(1000) }).then(
    () => false,
    (error: Error) => error.name !== 'TimeoutError',
  );
}

describe('a stop', () => {
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'mediadock-workers-'));
  });

  itOnLinux.each([
    ['SIGTERM', 'node, as systemd stops it', [process.execPath, 'dist/src/main.js'], '2'],
    ['SIGINT', 'npm start, as Ctrl-C stops it', ['npm', 'start'], '1'],
  ] as const)(
    'by %s to all processes of %s lets a running chunk finish',
    async (signal, _, command, WORKERS) => {
      const started = await start(dataDir, { WORKERS }, command);
      primary = started.primary;
      const ended = once(primary, 'exit');
      const status = await chunkInHalves(started.client, async () => {
        process.kill(-primary.pid!, signal);
        await until(() => isRefused(started.client.url), Boolean);
      });
      expect(status).toBe(201);
      await ended;
      await until(
        () => processesOn(dataDir),
        (running) => running.length === 0,
      );
    },
    60_000,
  );

  itOnLinux(
    'of npm start alone stops the server too',
    async () => {
      primary = (await start(dataDir, { WORKERS: '1' }, ['npm', 'start'])).primary;
      process.kill(primary.pid!, 'SIGTERM');
      await once(primary, 'exit');
      await until(
        () => processesOn(dataDir),
        (running) => running.length === 0,
      );
    },
    90_000,
  );
});

itOnLinux(
  'the embedded Postgres has connections for all pools',
  async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'mediadock-workers-'));
    primary = (await start(dataDir, { WORKERS: '2', DATABASE_POOL_SIZE: '60' })).primary;
    const postgres = await EmbeddedPostgres.start({ dataDir });
    const client = new pg.Client(postgres.connection);
    await client.connect();
    const { rows } = await client.query<{ max_connections: string }>('SHOW max_connections');
    await client.end();
    await postgres.stop();
    expect(Number(rows[0]?.max_connections)).toBeGreaterThan(2 * 60);
  },
  60_000,
);
