// @ts-check
// What lasts as long as this process. Each shell below reads from a pipe that ends with us, even after kill -9.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Becomes the program, and leaves a watcher in its process group, which is killed at the end of the pipe. */
const GUARD = `
( ( trap '' HUP INT TERM; read -r line; kill -KILL -$$ ) <&3 3<&- >/dev/null 2>&1 & )
exec "$@" 3<&-
`;

/** Retries, because a program may need a moment to stop writing. */
const REMOVER = `
trap '' HUP INT TERM
set --
while IFS= read -r directory; do set -- "$@" "$directory"; done
tries=0
until rm -rf "$@" || [ $tries -ge 300 ]; do tries=$((tries + 1)); sleep 0.1; done
`;

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */
/**
 * @typedef {Omit<import('node:child_process').SpawnOptions, 'stdio'> & { stdio: [Stdio, Stdio, Stdio] }} Options
 * @typedef {'ignore' | 'pipe' | 'inherit' | number} Stdio
 */

/**
 * Starts a program in a process group of its own, so that Ctrl-C does not reach it. The group is killed when the
 * program or this process has ended. A program that does not exist ends with code 127.
 * @param {string} program @param {readonly string[]} args @param {Options} options
 * @param {(program: string, args: readonly string[], options: import('node:child_process').SpawnOptions) => ChildProcess}
 * [start]
 */
export function spawnGuarded(program, args, options, start = spawn) {
  const child = start('/bin/sh', ['-c', GUARD, 'sh', program, ...args], {
    ...options,
    stdio: [...options.stdio, 'pipe'],
    detached: true,
  });
  child.once('exit', () => child.stdio[3]?.destroy());
  return child;
}

/** @type {import('node:net').Socket | undefined} */
let remover;

/** Makes a temporary directory, which is removed when this process has ended. @param {string} prefix */
export function temporaryDirectory(prefix) {
  const directory = join(tmpdir(), `${prefix}${randomBytes(4).toString('hex')}`);
  remover ??= startRemover();
  // It has the name before there is anything to remove.
  remover.write(`${directory}\n`);
  mkdirSync(directory, { mode: 0o700 });
  return directory;
}

function startRemover() {
  const child = spawn('/bin/sh', ['-c', REMOVER], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  child.unref();
  const input = /** @type {import('node:net').Socket} */ (child.stdin);
  input.unref();
  return input;
}
