import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { PostgresUser } from '../../src/database/embedded/postgres-user.js';
import { until } from './until.js';

/** A Postgres of one test, for what would disturb the others. */
export class OwnPostgres {
  private standby: ChildProcess | undefined;

  private constructor(
    private readonly dataDir: string,
    private readonly embedded: EmbeddedPostgres,
  ) {}

  static async start(): Promise<OwnPostgres> {
    const dataDir = await realpath(await mkdtemp(join(tmpdir(), 'mediadock-own-')));
    await chmod(dataDir, 0o755);
    return new OwnPostgres(dataDir, await EmbeddedPostgres.start({ dataDir, settings: { fsync: 'off' } }));
  }

  get url(): string {
    const { user, database, host } = this.embedded.connection;
    return `postgresql://${user}@localhost/${database}?host=${encodeURIComponent(host)}`;
  }

  async query(text: string): Promise<unknown[]> {
    const client = new pg.Client(this.url);
    await client.connect();
    return (await client.query(text).finally(() => client.end())).rows;
  }

  /** What a fail-over leaves at the old address: the same data, in a Postgres that takes no changes. */
  async becomeStandby(): Promise<void> {
    await this.embedded.stop();
    const cluster = join(this.dataDir, 'postgres');
    const { postgres } = (await import(`@embedded-postgres/${process.platform}-${process.arch}`)) as {
      postgres: string;
    };
    const user = await (await PostgresUser.of(cluster)).ableToRun(postgres, this.dataDir);
    const signal = join(cluster, 'standby.signal');
    await writeFile(signal, '');
    user.own(signal);
    const settings = {
      listen_addresses: '',
      unix_socket_directories: this.embedded.connection.host,
      fsync: 'off',
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    this.standby = user.spawn(postgres, ['-D', cluster, ...flags], { stdio: 'ignore' });
    await until(
      () =>
        this.query('SELECT 1').then(
          () => true,
          () => false,
        ),
      (answers) => answers,
    );
  }

  async promote(): Promise<void> {
    await this.query('SELECT pg_promote()');
  }

  async stop(): Promise<void> {
    if (this.standby?.kill('SIGINT')) await once(this.standby, 'exit');
    await this.embedded.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
