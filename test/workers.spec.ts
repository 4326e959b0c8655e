import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pdf } from './setup/samples.js';
import { Client, md5, type Answer } from './setup/client.js';
import { freePort } from '../scripts/free-port.js';

const itOnLinux = process.platform === 'linux' ? it : it.skip;

/** The built server as `npm start` runs it. */
async function start(
  dataDir: string,
  settings: Record<string, string> = {},
): Promise<{ primary: ChildProcess; client: Client }> {
  const env = {
    PATH: process.env['PATH'],
    DATA_DIR: dataDir,
    PORT: '0',
    WORKERS: '2',
    LOG_LEVEL: 'silent',
    ...settings,
  };
  const primary = spawn(process.execPath, ['dist/src/main.js'], {
    env,
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
  if (primary.exitCode === null && primary.kill('SIGTERM')) await once(primary, 'exit');
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
