import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../scripts/free-port.js';
import { isClustered, TestCluster } from '../setup/cluster.js';

/** What browsers meet: the built server, or a cluster of them; to be killed and started again at the same address and data. */
export interface Server {
  readonly url: string;
  run(): Promise<void>;
  kill(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/** @param settings environment variables over those of a test */
export async function startServer(settings: Record<string, string> = {}): Promise<Server> {
  if (!isClustered) return await OneServer.start(settings);
  const started = await TestCluster.start(settings);
  const { cluster } = started;
  return {
    url: cluster.url,
    run: () => cluster.run(),
    kill: (signal) => cluster.kill(signal),
    stop: () => started.stop(),
  };
}

/** As `npm start` runs it. */
class OneServer implements Server {
  private process: ChildProcess | undefined;

  private constructor(
    readonly url: string,
    private readonly port: number,
    private readonly dataDir: string,
    private readonly settings: Record<string, string>,
  ) {}

  static async start(settings: Record<string, string>): Promise<OneServer> {
    const port = await freePort();
    const dataDir = await mkdtemp(join(tmpdir(), 'mediadock-browser-'));
    const server = new OneServer(`http://localhost:${port}`, port, dataDir, settings);
    await server.run();
    return server;
  }

  async run(): Promise<void> {
    const child = spawn(process.execPath, ['dist/src/main.js'], {
      env: {
        PATH: process.env['PATH'],
        DATA_DIR: this.dataDir,
        PORT: String(this.port),
        LOG_LEVEL: 'error',
        ...this.settings,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.process = child;
    for await (const text of child.stdout) if (String(text).includes('/api/docs')) return;
    throw new Error('The server ended');
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.process || this.process.exitCode !== null) return;
    const gone = once(this.process, 'exit');
    this.process.kill(signal);
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill('SIGTERM');
    await rm(this.dataDir, { recursive: true });
  }
}
