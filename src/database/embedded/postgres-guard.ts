import { execFile } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { hasCode } from '../../errors/has-code.js';
import { ENVIRONMENT, type PostgresUser } from './postgres-user.js';

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/**
 * Runs postgres, and a watcher that stops it at the end of stdin: in fast mode at first, after 8 s in immediate mode.
 * The watcher closes stdin before it stops Postgres, so as long as stdin is open, Postgres stays. SIGINT is sent
 * repeatedly, because a postgres that is just starting ignores it.
 */
const GUARD = `
trap '' HUP INT TERM
exec 3<&0 </dev/null
"$@" 3<&- &
postgres=$!
{
  while read -r line; do :; done
  exec </dev/null
  tries=0
  while kill -INT $postgres && [ $tries -lt 80 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -QUIT $postgres
} <&3 3<&- >/dev/null 2>&1 &
exec 3<&-
wait $postgres
kill -KILL $!
`;

/**
 * Keeps a Postgres running as long as any process holds it, however those processes end. Holding means having a FIFO
 * open for writing. When the last writer has ended, even by kill -9, the guard at the other end reads EOF.
 */
export class PostgresGuard {
  constructor(private readonly fifo: string) {}

  /** A hold on the Postgres that is running, or undefined if none is. */
  join(): number | undefined {
    try {
      return openSync(this.fifo, O_WRONLY | O_NONBLOCK);
    } catch (error) {
      if (hasCode(error, 'ENXIO', 'ENOENT')) return undefined;
      throw error;
    }
  }

  /** Starts a guard with its Postgres in a new session. Returns our hold on them. */
  async launch(user: PostgresUser, command: readonly string[], log: number): Promise<number> {
    if (!existsSync(this.fifo)) await makeFifo(this.fifo);
    user.own(this.fifo);
    // Opening for reading first lets us open for writing, and then the guard's end opens at once and blocks on read.
    const opener = openSync(this.fifo, O_RDONLY | O_NONBLOCK);
    const hold = openSync(this.fifo, O_WRONLY | O_NONBLOCK);
    const stdin = openSync(this.fifo, O_RDONLY);
    closeSync(opener);
    try {
      const child = user.spawn('/bin/sh', ['-c', GUARD, 'sh', ...command], {
        detached: true,
        stdio: [stdin, log, log],
      });
      child.on('error', () => undefined); // Whoever waits for Postgres notices that the FIFO has no reader.
      child.unref();
      return hold;
    } catch (error) {
      closeSync(hold);
      throw error;
    } finally {
      closeSync(stdin);
    }
  }

  /** Whether a guard is keeping its Postgres running. */
  isAlive(): boolean {
    const hold = this.join();
    if (hold !== undefined) closeSync(hold);
    return hold !== undefined;
  }

  /** Whether any process holds it. */
  isHeld(): boolean {
    const reader = openSync(this.fifo, O_RDONLY | O_NONBLOCK);
    try {
      return readSync(reader, Buffer.alloc(1)) > 0;
    } catch (error) {
      if (hasCode(error, 'EAGAIN')) return true;
      throw error;
    } finally {
      closeSync(reader);
    }
  }
}

async function makeFifo(path: string): Promise<void> {
  try {
    await promisify(execFile)('mkfifo', ['-m', '600', path], { env: ENVIRONMENT });
  } catch (error) {
    if (!existsSync(path)) throw error;
  }
}
