// @ts-check
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { partNames, uploadId } from './seeded-ids.js';

/** One thread for all file calls, so that their order is the same in every run. */
export const ONE_THREAD = { UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' };

/** Settings of a server with predictable upload ids. @param {string} ids */
export function predictable(ids) {
  const preload = pathToFileURL(join(import.meta.dirname, 'seeded-ids.js')).href;
  return { ...ONE_THREAD, CRASH_IDS: ids, NODE_OPTIONS: `--import=${preload}` };
}

/**
 * All paths that the n-th upload of a server uses, except for its finished file, whose name is random.
 * @param {string} dataDir @param {string} ids @param {number} n @param {readonly string[]} [others] seeds of other servers with parts of it
 */
export function pathsOf(dataDir, ids, n, others = []) {
  const id = uploadId(ids, n);
  const parts = [ids, ...others].flatMap((seed) => partNames(seed, id));
  return ['uploads', 'files', ...parts.map((name) => join('uploads', name))].map((path) =>
    join(dataDir, path),
  );
}

/** Why strace cannot be used here, or undefined if it can. */
export function noStrace() {
  if (process.platform !== 'linux') return 'strace is for Linux';
  try {
    execFileSync('strace', ['-o', '/dev/null', '-e', 'inject=getppid:error=EPERM', 'true'], {
      stdio: 'pipe',
    });
    return undefined;
  } catch (error) {
    return `strace does not work here: ${String(error).split('\n')[0]}`;
  }
}

/** strace of running servers. */
export class Trace {
  /**
   * Resolves once every thread is traced.
   * @param {number | readonly number[]} pids @param {readonly string[]} args @param {string} log
   */
  static async attach(pids, args, log) {
    const all = [pids].flat();
    const targets = all.flatMap((pid) => ['-p', String(pid)]);
    const child = spawn('strace', ['-f', '-y', '-o', log, ...args, ...targets], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const trace = new Trace(child, log, all);
    await Promise.race([trace.untilAttached(), trace.exit]);
    if (!/attached/.test(trace.words)) throw new Error(`strace did not attach: ${trace.words}`);
    return trace;
  }

  /** @param {import('node:child_process').ChildProcess} child @param {string} log @param {readonly number[]} pids */
  constructor(child, log, pids) {
    this.child = child;
    this.log = log;
    this.pids = pids;
    this.exit = once(child, 'exit');
    this.words = '';
  }

  /** Keeps reading its output: strace would die of a closed pipe at the next thread. */
  async untilAttached() {
    await new Promise((resolve) => {
      this.child.stderr?.on('data', (text) => {
        this.words += text;
        if (this.pids.every((pid) => this.words.includes(`Process ${pid} attached`))) resolve(undefined);
      });
    });
  }

  /** Detaches from the server. Resolves to the log. */
  async detach() {
    this.child.kill('SIGINT');
    await this.exit;
    return parse(await readFile(this.log, 'utf8'));
  }
}

/**
 * @typedef {object} Call
 * @property {number} thread
 * @property {number} [process] of the thread, if several are traced
 * @property {string} name
 * @property {string} text arguments and result
 * @property {number} begun position in the log of its start
 * @property {number} ended position in the log of its return
 */

/**
 * Joins each "<unfinished ...>" with its "<... resumed>", in the order of their start.
 * @param {string} log @returns {Call[]}
 */
export function parse(log) {
  /** @type {Call[]} */
  const calls = [];
  /** @type {Map<string, Call>} */
  const open = new Map();
  for (const [at, line] of log.split('\n').entries()) {
    const [, thread = '', resumed, name = '', text = ''] =
      /^(\d+) +(<\.\.\. )?(\w+)(?: resumed>)?(.*)$/.exec(line) ?? [];
    if (!name) continue;
    if (resumed) {
      const call = open.get(thread);
      if (call) Object.assign(call, { text: call.text.replace(' <unfinished ...>', '') + text, ended: at });
      continue;
    }
    const call = { thread: Number(thread), name, text, begun: at, ended: at };
    calls.push(call);
    if (text.endsWith('<unfinished ...>')) open.set(thread, Object.assign(call, { ended: Infinity }));
  }
  return calls;
}

/** The file of a call in the notation of `strace -y`: `23</path>`. @param {Call} call */
export function descriptorOf({ text }) {
  return /^\((\d+<[^>]*>)/.exec(text)?.[1];
}

/**
 * The flags with which the file of a call was opened, possibly by an earlier request. Undefined if the log does not
 * have the open. @param {readonly Call[]} calls @returns {Map<Call, string>}
 */
export function openFlags(calls) {
  /** @type {Map<string, string>} */
  const open = new Map();
  /** @type {Map<Call, string>} */
  const flags = new Map();
  // A descriptor exists from the end of its open to the beginning of its close.
  const at = (/** @type {Call} */ { name, begun, ended }) => (name === 'openat' ? ended : begun);
  for (const call of [...calls].sort((a, b) => at(a) - at(b))) {
    const [, opened, descriptor] = /, (O_[\w|]+).* = (\d+<[^>]*>)$/.exec(call.text) ?? [];
    if (call.name === 'openat' && opened && descriptor) open.set(`${call.process} ${descriptor}`, opened);
    const used = `${call.process} ${descriptorOf(call)}`;
    const known = open.get(used);
    if (known) flags.set(call, known);
    if (call.name === 'close') open.delete(used);
  }
  return flags;
}
