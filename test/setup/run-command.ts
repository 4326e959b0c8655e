import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { JWT_SECRET } from './test-app.js';

/** Exit code and standard output; the errors and warnings if that is empty. */
export interface Ended {
  readonly code: number;
  readonly printed: string;
}

/**
 * Runs a command for operators, built, in a process of its own.
 * @param settings environment variables, none are inherited but PATH
 */
export async function runCommand(settings: Record<string, string>, ...args: string[]): Promise<Ended> {
  const env = { PATH: process.env['PATH'], JWT_SECRET, ...settings };
  const { code, stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['dist/src/command.js', ...args],
    { env },
  ).then(
    (printed) => ({ code: 0, ...printed }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
  // The Postgres of the tests has it off, and each command warns of that.
  return { code, printed: stdout || stderr.replace(/^Postgres has fsync=off.*\n/m, '') };
}
