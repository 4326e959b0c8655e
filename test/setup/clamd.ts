import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.js';

const PROGRAM = '/usr/sbin/clamd';

/** What the signature of the tests finds; harmless. */
export const INFECTED = Buffer.from('MEDIADOCK-TEST-INFECTED');

/** A real clamd with a signature file of its own. */
export class Clamd {
  /** Why there can be none here. */
  static readonly missing = existsSync(PROGRAM) ? undefined : 'there is no clamd: install clamav-daemon';

  private constructor(
    private readonly child: ChildProcess,
    private readonly directory: string,
    readonly socket: string,
  ) {}

  static async start(settings: Record<string, string | number> = {}): Promise<Clamd> {
    const directory = await mkdtemp(join(tmpdir(), 'mediadock-clamd-'));
    await chmod(directory, 0o755);
    await mkdir(join(directory, 'database'));
    await writeFile(join(directory, 'database/test.ndb'), `Mediadock.Test:0:*:${INFECTED.toString('hex')}\n`);
    const socket = join(directory, 'clamd.sock');
    const all = {
      LocalSocket: socket,
      DatabaseDirectory: join(directory, 'database'),
      TemporaryDirectory: directory,
      Foreground: 'yes',
      ...settings,
    };
    const text = Object.entries(all).map(([name, value]) => `${name} ${value}\n`);
    await writeFile(join(directory, 'clamd.conf'), text.join(''));
    const child = spawn(PROGRAM, ['--config-file', join(directory, 'clamd.conf')], { stdio: 'ignore' });
    await until(
      () => answers(socket),
      (isThere) => isThere || child.exitCode !== null,
    );
    return new Clamd(child, directory, socket);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.kill('SIGKILL')) await once(this.child, 'exit');
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function answers(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ path }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
