import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { JWT_SECRET } from './test-app.js';
import { until } from './until.js';

/** The built server, in a process of its own. */
export class ServerProcess {
  private printed = '';

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (text: Buffer) => (this.printed += text.toString()));
  }

  /**
   * @param settings environment variables, none are inherited but PATH
   * @param options of Node
   * @param stdout a file descriptor; otherwise what it prints can be read here
   */
  static start(
    settings: Record<string, string>,
    options: readonly string[] = [],
    stdout: number | 'pipe' = 'pipe',
  ): ServerProcess {
    const env = { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', JWT_SECRET, ...settings };
    return new ServerProcess(
      spawn(process.execPath, [...options, 'dist/src/main.js'], { env, stdio: ['ignore', stdout, 'pipe'] }),
    );
  }

  /** All that it has printed, once that matches. */
  async says(words: RegExp): Promise<string> {
    return await until(
      () => Promise.resolve(this.printed),
      (printed) => words.test(printed) || this.isOver,
    );
  }

  /** Where it listens. */
  async url(): Promise<string> {
    const [, url] = /listens at +(\S+)\/$/m.exec(await this.says(/\/api\/docs/)) ?? [];
    if (!url) throw new Error(`The server ended: ${this.printed}`);
    return url.replace('localhost', '127.0.0.1');
  }

  /** Its exit code and all that it has printed, once it has ended by itself. */
  async ended(): Promise<{ code: number | null; printed: string }> {
    if (!this.isOver) await once(this.child, 'close');
    return { code: this.child.exitCode, printed: this.printed };
  }

  async stop(): Promise<void> {
    if (!this.isOver && this.child.kill('SIGTERM')) await once(this.child, 'exit');
  }

  private get isOver(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }
}
