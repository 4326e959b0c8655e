// @ts-check
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process and its children. Freeze it first, so that it forks no more. @param {number} pid */
export function familyOf(pid) {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => Number(statOf(child)[1]) === pid);
  return [pid, ...children];
}

/** kill -9 of a process and its children, even if frozen. Resolves when all have ended. @param {number} pid */
export async function killFamily(pid) {
  signal(pid, 'SIGSTOP');
  const family = familyOf(pid);
  for (const one of family) signal(one, 'SIGKILL');
  while (family.some(isRunning)) await sleep(5);
}

/** Ignores a process that has ended. @param {number} pid @param {NodeJS.Signals} name */
export function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

/** @param {number} pid */
export function isRunning(pid) {
  return !['X', 'Z'].includes(statOf(pid)[0] ?? 'X');
}

/** The fields after the name, which may contain spaces: state, parent, … @param {number} pid */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return ['X', '0'];
  }
}
