import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { chownSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EmbeddedPostgresError } from './postgres-error.js';

export const ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

const PROBE = `
postgres=$1; shift
for directory do cd "$directory" 2>/dev/null || { echo "it cannot enter $directory"; exit 1; }; done
exec "$postgres" --version
`;

/** The user that Postgres runs as: ours, or a system user if we are root, because Postgres refuses to run as root. */
export class PostgresUser {
  private constructor(
    readonly name: string,
    private readonly ids?: { readonly uid: number; readonly gid: number },
    private readonly wrapper: readonly string[] = [],
  ) {}

  /** An existing cluster decides, since Postgres opens only what its user owns. */
  static async of(cluster: string): Promise<PostgresUser> {
    const owner = statSync(cluster, { throwIfNoEntry: false });
    const self = process.geteuid?.();
    if (self !== 0) {
      if (owner && owner.uid !== self) throw notOurs(cluster, `uid ${owner.uid}, and this is uid ${self}`);
      return new PostgresUser(`uid ${self}`);
    }
    if (owner?.uid === 0) throw notOurs(cluster, 'root, which Postgres refuses to run as');
    return owner ? new PostgresUser(`uid ${owner.uid}`, owner) : await systemUser();
  }

  static from(passwd: string): PostgresUser {
    const [name = '', , uid, gid] = passwd.split(':');
    return new PostgresUser(name, { uid: Number(uid), gid: Number(gid) });
  }

  /**
   * The same user, able to run `postgres` on `dataDir`. If a parent directory is closed to it, such as the home of
   * root, root may lend it the capability to enter.
   */
  async ableToRun(postgres: string, dataDir: string): Promise<PostgresUser> {
    const obstacle = await this.obstacle(postgres, dataDir);
    if (!obstacle) return this;
    const lent = this.ids && new PostgresUser(this.name, this.ids, privileged(this.ids));
    if (lent && !(await lent.obstacle(postgres, dataDir))) return lent;
    throw new EmbeddedPostgresError(
      `Postgres cannot run as ${this.name}: ${obstacle}. ${remedy(obstacle)}, or set DATABASE_URL.`,
    );
  }

  /** Gives a file to this user. */
  own(path: string): void {
    if (this.ids) chownSync(path, this.ids.uid >>> 0, this.ids.gid >>> 0);
  }

  /** Whether a file of `uid` may be given to this user. */
  mayOwn(uid: number): boolean {
    return uid === process.geteuid?.() || uid === this.ids?.uid;
  }

  /** Starts a program as this user, without our environment and supplementary groups. */
  spawn(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    const [command = program, ...rest] = [...this.wrapper, program, ...args];
    // Node takes ids as signed numbers here and as unsigned ones in chown.
    const ids = this.ids && this.wrapper.length === 0 ? { uid: this.ids.uid | 0, gid: this.ids.gid | 0 } : {};
    return spawn(command, rest, { cwd: '/', env: ENVIRONMENT, ...ids, ...options });
  }

  /** The error message of a program; empty if it succeeded. */
  async run(program: string, args: readonly string[]): Promise<string> {
    const child = this.spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout?.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr?.on('data', (text: Buffer) => (output += text.toString()));
    return await new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) =>
        resolve(code === 0 ? '' : output.trim() || `${program} ended with ${code ?? signal}`),
      );
    });
  }

  private async obstacle(postgres: string, dataDir: string): Promise<string> {
    const directories = [...ancestors(dirname(postgres)), ...ancestors(dataDir)];
    return await this.run('/bin/sh', ['-c', PROBE, 'sh', postgres, ...directories]).catch(String);
  }
}

async function systemUser(): Promise<PostgresUser> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n');
  const found = ['postgres:', 'nobody:']
    .map((name) => lines.find((line) => line.startsWith(name)))
    .find(Boolean);
  if (found) return PostgresUser.from(found);
  throw new EmbeddedPostgresError(
    'Postgres refuses to run as root, and this system has no user "postgres" or "nobody" to run it as. ' +
      'Start Mediadock as an ordinary user, or set DATABASE_URL.',
  );
}

function privileged({ uid, gid }: { readonly uid: number; readonly gid: number }): string[] {
  const ids = ['--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups'];
  const capability = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override'];
  // Postgres finds its own binary with access(2), which ignores the capabilities of an ordinary user without this bit.
  return ['setpriv', ...ids, '--securebits=+no_setuid_fixup', ...capability, '--'];
}

function ancestors(directory: string): string[] {
  const parent = dirname(directory);
  return parent === directory ? [directory] : [...ancestors(parent), directory];
}

function remedy(obstacle: string): string {
  const library = /shared librar|Library not loaded/.test(obstacle);
  if (library)
    return 'The install script of its package did not run: run `npm rebuild --ignore-scripts=false`';
  return 'Move the checkout or DATA_DIR elsewhere, open that directory (chmod o+x), start Mediadock as an ordinary user';
}

function notOurs(cluster: string, whose: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `The Postgres data in ${cluster} belongs to ${whose}. ` +
      'Change its owner (chown -R), start Mediadock as its owner, choose another DATA_DIR, or set DATABASE_URL.',
  );
}
