// @ts-check
import {
  actorOf,
  cellOf,
  changed,
  create,
  fileOf,
  isWhole,
  mayLock,
  nameOf,
  newFile,
  partOf,
  step,
} from './world.js';

/**
 * @typedef {import('./world.js').World} World
 * @typedef {import('./world.js').Setup} Setup
 * @typedef {import('./world.js').Step} Step
 * @typedef {import('./world.js').Complete} Complete
 * @typedef {import('./rules.js').Rules} Rules
 */

/**
 * Makes one file of the parts: a link to the only part, or a copy of all. Nobody else knows its name yet. The
 * client's digest detects holes and missing bytes.
 * @param {World} world @param {number} server @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* stage(world, server, { total, forms, rules }) {
  const { row, parts, left } = world;
  if (left.completions === 0 || row.state !== 'open' || row.offset < total) return;
  const cells = world.promised.map((_, unit) => cellOf(world, partOf(parts, unit), unit));
  if (!cells.every(isWhole)) return;
  const only = parts.length === 1 && !forms && !rules.ownKeys ? partOf(parts, 0) : undefined;
  const label = only === undefined ? 'completes: puts the parts together' : 'completes: links the only part';
  yield step(world, server, label, null, (next, me) => {
    next.left.completions--;
    const contents = cells.map((cell) => cell.charAt(0));
    const staged = only ?? create(next, newFile(contents, forms ? server : 0));
    const at = rules.ownKeys ? 'settle' : (orderOf(rules)[0] ?? 'lock');
    const names = parts.map(([, part]) => part);
    me.task = { at, staged, read: row.part, parts: names, locked: false, late: false };
  });
}

/**
 * Locks the row, and checks it again.
 * @param {World} world @param {number} server @param {Complete} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* lock(world, server, task, setup) {
  if (!mayLock(world, server)) return;
  if (!isUnchanged(world, task, setup)) {
    yield step(world, server, 'does not complete', null);
    return;
  }
  const parts = world.parts.map(([, part]) => part);
  const after = following(task, setup.rules);
  yield step(world, server, 'locks the row', after && { ...after, parts, locked: true }, ({ row }) => {
    row.lock = server;
  });
}

/** @param {World} world @param {Complete} task @param {Setup} setup */
function isUnchanged({ row }, { read }, { total, rules }) {
  const isOpen = row.state === 'open' || !rules.compareState;
  return isOpen && ((row.offset === total && row.part === read) || !rules.compareParts);
}

/** @param {Rules} rules @returns {readonly Complete['at'][]} */
function orderOf({ publishUnderLock, publishDurably, cleanAfterCommit }) {
  if (!publishUnderLock) return ['rename', 'sync', 'lock', 'publish', 'clean'];
  if (!publishDurably) return ['lock', 'rename', 'publish', 'sync', 'clean'];
  if (!cleanAfterCommit) return ['lock', 'rename', 'sync', 'clean', 'publish'];
  return ['lock', 'rename', 'sync', 'publish', 'clean'];
}

/** @param {Complete} task @param {Rules} rules @returns {Complete | null} */
function following(task, rules) {
  const order = orderOf(rules);
  const at = order[order.indexOf(task.at) + 1];
  return at ? { ...task, at } : null;
}

/**
 * Renames onto the key, whether or not the transaction is still open.
 * @param {World} world @param {number} server @param {Complete} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* rename(world, server, task, { rules }) {
  const isLink = task.parts.includes(task.staged);
  if (!isLink && !fileOf(world, task.staged).named) {
    yield step(world, server, 'finds its file swept', null, ({ row }) => unlock(row, server));
    return;
  }
  yield step(world, server, 'renames onto the key', following(task, rules), (next) => {
    next.key.seen = task.staged;
    if (!isLink) fileOf(next, task.staged).named = false;
  });
}

/**
 * @param {World} world @param {number} server @param {Complete} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* sync(world, server, task, { rules }) {
  yield step(world, server, 'syncs the directories', following(task, rules), ({ key }) => {
    key.disk = key.seen;
  });
}

/**
 * @param {World} world @param {number} server @param {Complete} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* publish(world, server, task, { rules }) {
  const after = following(task, rules);
  if (!task.locked) yield step(world, server, 'cannot commit: its transaction has ended', null);
  else
    yield step(world, server, 'commits the media', after && { ...after, locked: false }, (next) => {
      next.media.push({ file: null, form: fileOf(next, task.staged).form });
      finish(next, server);
    });
}

/**
 * @param {World} world @param {number} server @param {Complete} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* clean(world, server, task, { rules }) {
  yield step(world, server, 'removes the parts', following(task, rules), (next) => {
    for (const part of task.parts) fileOf(next, part).named = false;
  });
}

/**
 * An amendment: one statement instead of a transaction. The file is durable, and nobody else uses its name.
 * @param {World} world @param {number} server @param {Complete} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* settle(world, server, task, setup) {
  if (!mayLock(world, server)) return;
  const { late, staged } = task;
  const parts = world.parts.map(([, part]) => part);
  if (!isUnchanged(world, task, setup) || (late && setup.rules.deadline))
    yield step(world, server, 'does not complete', null);
  else
    yield step(world, server, 'commits the media', { ...task, at: 'clean', parts }, (next) => {
      next.media.push({ file: staged, form: fileOf(next, staged).form });
      finish(next, server);
    });
}

/** @param {World} next @param {number} server */
function finish(next, server) {
  next.parts = [];
  next.row.state = 'complete';
  unlock(next.row, server);
}

/** @param {World['row']} row @param {number} server */
export function unlock(row, server) {
  if (row.lock === server) row.lock = null;
}

/**
 * A server is frozen for so long that Postgres ends its transaction, without the server knowing.
 * @param {World} world @returns {Generator<Step>}
 */
export function* loseTransaction(world) {
  const { lock: server } = world.row;
  if (server === null || world.left.thaws === 0) return;
  const next = changed(world, (draft) => {
    draft.left.thaws--;
    endTransaction(draft);
  });
  yield [`Postgres ends the transaction of ${nameOf(world, server)}`, next];
}

/** @param {World} next */
export function endTransaction(next) {
  const { lock: server } = next.row;
  if (server === null) return;
  const { task } = actorOf(next, server);
  if (task && 'locked' in task) task.locked = false;
  unlock(next.row, server);
}
