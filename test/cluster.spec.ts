import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Nginx } from '../cluster/nginx.js';
import { freePort } from '../scripts/free-port.js';
import { Client, md5 } from './setup/client.js';
import { S3Server } from './setup/s3-server.js';
import { pdf } from './setup/samples.js';
import { processesOn } from './setup/processes-on.js';
import { until } from './setup/until.js';

const reason = Nginx.missing;

/** `npm run cluster`, over an object store that the environment names. */
(reason ? describe.skip : describe)(
  `the command that starts a cluster${reason ? ` (${reason})` : ''}`,
  () => {
    const file = pdf(900_000);
    let store: S3Server;
    let directory: string;
    let port: number;
    let command: ChildProcess;
    let printed: string;
    let pids: number[];

    beforeAll(async () => {
      // Postgres does not run as root, and its user has to pass here.
      directory = await mkdtemp(join(tmpdir(), 'mediadock-command-'));
      await chmod(directory, 0o755);
    });
    afterEach(async () => {
      if (command.exitCode === null && command.kill('SIGINT')) await once(command, 'exit');
      await store.stop();
    });
    afterAll(() => rm(directory, { recursive: true }));

    async function begin(): Promise<void> {
      store = await S3Server.start();
      port = await freePort();
      command = spawn(process.execPath, ['cluster/main.js', '--port', `${port}`], {
        env: { PATH: process.env['PATH'], TMPDIR: directory, ...store.settings },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      printed = '';
      command.stdout?.on('data', (text: Buffer) => (printed += text.toString()));
    }

    async function untilReady(): Promise<void> {
      await until(
        () => Promise.resolve(printed),
        (text) => text.includes('eyJ') || command.exitCode !== null,
      );
      expect(command.exitCode).toBeNull();
      pids = [...printed.matchAll(/\(process (\d+)\)/g)].map(([, pid]) => Number(pid));
    }

    /** Temporary files and processes of the command that was started last. */
    async function leftovers(): Promise<string[]> {
      return [...(await readdir(directory)), ...(await processesOn(directory))];
    }

    it('gives each chunk to the next of two servers, and replaces one that is killed', async () => {
      await begin();
      await untilReady();
      const client = new Client(`http://localhost:${port}`, /eyJ\S+/.exec(printed)?.[0] ?? '');
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

    it.each(['SIGINT', 'SIGHUP'] as const)('ends on %s, and leaves nothing behind', async (signal) => {
      await begin();
      await untilReady();
      const exit = once(command, 'exit');
      command.kill(signal);
      expect(await exit).toEqual([0, null]);
      expect(await leftovers()).toEqual([]);
    });

    it.each(['SIGTERM', 'SIGKILL'] as const)('%s while it starts leaves nothing behind', async (signal) => {
      await begin();
      await until(
        () => readdir(directory),
        (names) => names.length > 0,
      );
      const exit = once(command, 'exit');
      command.kill(signal);
      await exit;
      expect(await until(leftovers, (left) => left.length === 0)).toEqual([]);
    });

    it('kill -9 leaves nothing behind', async () => {
      await begin();
      await untilReady();
      command.kill('SIGKILL');
      expect(await until(leftovers, (left) => left.length === 0)).toEqual([]);
    });

    it('says that its port is taken', async () => {
      await begin();
      await untilReady();
      const args = ['cluster/main.js', '--port', `${port}`];
      await expect(promisify(execFile)(process.execPath, args)).rejects.toMatchObject({
        code: 1,
        stderr: `Port ${port} cannot be used: EADDRINUSE\n`,
      });
    });
  },
);
