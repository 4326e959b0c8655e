// @ts-check
import { cellOf, create, fileOf, mayLock, newFile, promise, step } from './world.js';

/**
 * @typedef {import('./world.js').World} World
 * @typedef {import('./world.js').Setup} Setup
 * @typedef {import('./world.js').Step} Step
 * @typedef {import('./world.js').Adopt} Adopt
 */

/**
 * Reads a row with a tail.
 * @param {World} world @param {number} actor @param {import('./world.js').After} after
 */
export function meetTail(world, actor, after) {
  const { offset, tail } = world.row;
  if (!tail) throw new Error('There is no tail to adopt');
  const task = /** @type {const} */ ({ at: 'fence', seen: { offset, tail }, part: null, late: false, after });
  return step(world, actor, 'meets a tail', task);
}

/**
 * A request for the status: it tells an offset that nobody can take back.
 * @param {World} world @param {number} server @returns {Generator<Step>}
 */
export function* tellStatus(world, server) {
  const { row, left } = world;
  if (left.statuses === 0 || row.state !== 'open' || !row.tail) return;
  const [label, next] = meetTail(world, server, null);
  next.left.statuses--;
  yield [label, next];
}

/**
 * @param {World} world @param {number} actor @param {Adopt} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* fence(world, actor, task, { rules }) {
  const { part } = task.seen.tail;
  yield step(world, actor, `fences part ${part}`, { ...task, at: 'peek' }, (next) => {
    const file = fileOf(next, part);
    file.fenced ||= file.named && rules.fence;
  });
}

/**
 * Reads the tail and writes it into a new part, in one step: nobody else knows that part yet.
 * @param {World} world @param {number} actor @param {Adopt} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* peek(world, actor, task, { rules }) {
  const { offset, tail } = task.seen;
  const cell = cellOf(world, tail.part, offset);
  const isWhole = cell === tail.content || cell === `${tail.content}~`;
  if (!isWhole) yield step(world, actor, `finds the tail not whole`, { ...task, at: 'adopt' });
  else if (!rules.rewriteTails)
    yield step(world, actor, 'finds the tail', { ...task, at: 'adopt', part: tail.part });
  else
    yield step(world, actor, 'writes the tail into a new part', null, (next, me) => {
      const cells = Array.from({ length: offset }, () => '');
      const part = create(next, newFile([...cells, tail.content]));
      me.task = { ...task, at: 'adopt', part };
    });
}

/**
 * The statement that settles a tail.
 * @param {World} world @param {number} actor @param {Adopt} task @param {Setup} setup
 */
export function* adopt(world, actor, task, { rules }) {
  if (!mayLock(world, actor)) return;
  const { seen, part, after } = task;
  if (!isAdopted(world, task, rules)) {
    yield step(world, actor, 'adopts no tail', after);
    return;
  }
  if (part === null) {
    yield step(world, actor, 'drops the tail', after, ({ row }) => {
      Object.assign(row, { part: seen.tail.part, tail: null });
    });
    return;
  }
  yield step(world, actor, `adopts the tail in part ${part}`, after, (next) => {
    Object.assign(next.row, { offset: seen.tail.end, part, tail: null });
    if (part !== seen.tail.part) next.parts.push([seen.offset, part]);
    promise(next, seen.offset, seen.tail.content, part);
  });
}

/** @param {World} world @param {Adopt} task @param {import('./rules.js').Rules} rules */
function isAdopted({ row, parts }, { seen, part, late }, rules) {
  if (row.state !== 'open' || row.offset !== seen.offset || row.tail === null) return false;
  if (rules.compareTail && !isSame(row.tail, seen.tail)) return false;
  if (part === null || part === seen.tail.part) return true;
  return !(late && rules.deadline) && !parts.some(([start]) => start === seen.offset);
}

/** @param {import('./world.js').Tail} a @param {import('./world.js').Tail} b */
function isSame(a, b) {
  return a.part === b.part && a.end === b.end && a.content === b.content;
}
