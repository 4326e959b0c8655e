import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Nginx } from '../cluster/nginx.js';
import { freePort } from '../scripts/free-port.js';
import { Client, md5 } from './setup/client.js';
import { S3Server } from './setup/s3-server.js';
import { pdf } from './setup/samples.js';
import { until } from './setup/until.js';

const reason = Nginx.missing;

/** `npm run cluster`, over an object store that the environment names. */
(reason ? describe.skip : describe)(
  `the command that starts a cluster${reason ? ` (${reason})` : ''}`,
  () => {
    const file = pdf(900_000);
    let store: S3Server;
    let directory: string;
    let command: ChildProcess;
    let printed = '';
    let client: Client;
    let pids: number[];

    beforeAll(async () => {
      store = await S3Server.start();
      // Postgres does not run as root, and its user has to pass here.
      directory = await mkdtemp(join(tmpdir(), 'mediadock-command-'));
      await chmod(directory, 0o755);
      const port = await freePort();
      command = spawn(process.execPath, ['cluster/main.js', '--port', `${port}`], {
        env: { PATH: process.env['PATH'], TMPDIR: directory, ...store.settings },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      command.stdout?.on('data', (text: Buffer) => (printed += text.toString()));
      await until(
        () => Promise.resolve(printed),
        (text) => text.includes('eyJ') || command.exitCode !== null,
      );
      client = new Client(`http://localhost:${port}`, /eyJ\S+/.exec(printed)?.[0] ?? '');
      pids = [...printed.matchAll(/\(process (\d+)\)/g)].map(([, pid]) => Number(pid));
    });
    afterAll(async () => {
      if (command.exitCode === null && command.kill('SIGINT')) await once(command, 'exit');
      await store.stop();
      await rm(directory, { recursive: true });
    });

    it('gives each chunk to the next of two servers, and replaces one that is killed', async () => {
      expect(pids).toHaveLength(2);
      const id = (await client.slice(file, 0, 200_000)).body.upload_id;
      process.kill(pids[0] ?? 0, 'SIGKILL');
      for (let start = 200_000; start < file.length; start += 100_000) {
        const { status, body } = await until(
          () => client.slice(file, start, start + 100_000, id),
          (answer) => answer.status < 500,
        );
        expect([status, body.offset]).toEqual([201, String(start + 100_000)]);
      }
      const { body } = await client.complete(id, md5(file));
      expect(store.keys('files/')).toHaveLength(1);
      expect(Buffer.from(await (await fetch(body.url)).arrayBuffer()).equals(file)).toBe(true);
    });

    it('ends on Ctrl-C, and leaves nothing behind', async () => {
      const exit = once(command, 'exit');
      command.kill('SIGINT');
      expect(await exit).toEqual([0, null]);
      expect(pids.filter((pid) => isRunning(pid))).toEqual([]);
      await expect(fetch(client.url)).rejects.toThrow();
      expect(await readdir(directory)).toEqual([]);
    });
  },
);

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
