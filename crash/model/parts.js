// @ts-check
import { adopt, fence, peek, tellStatus } from './adoption.js';
import { announce, commit, goOn, judge, look, receive, retract } from './chunks.js';
import { clean, lock, loseTransaction, publish, rename, settle, stage, sync, unlock } from './completion.js';
import { violation } from './invariants.js';
import { checkParts, damage, end, mend, passTime, readRow, startFsck, sweep } from './upkeep.js';
import { actorOf, initialWorld, step } from './world.js';

/**
 * @typedef {import('./world.js').World} World
 * @typedef {import('./world.js').Setup} Setup
 * @typedef {import('./world.js').Step} Step
 */

/** Parts, as a model to explore. @param {Setup} setup @returns {import('./explore.js').Model<World>} */
export function partsModel(setup) {
  return {
    initial: initialWorld(setup),
    steps: (world) => steps(world, setup),
    violation,
  };
}

/** Everything that may happen next. @param {World} world @param {Setup} setup @returns {Generator<Step>} */
function* steps(world, setup) {
  for (const [actor, { task }] of world.actors.entries()) {
    if (task) yield* NEXT[task.at]?.(world, actor, task, setup) ?? [];
    else if (actor === setup.servers) yield* startFsck(world, actor);
    else yield* begin(world, actor, setup);
    if (actor < setup.servers) yield* crash(world, actor);
  }
  yield* loseTransaction(world);
  yield* sweep(world, setup);
  yield* passTime(world);
  yield* end(world, setup);
  yield* damage(world);
}

/** @param {World} world @param {number} server @param {Setup} setup @returns {Generator<Step>} */
function* begin(world, server, setup) {
  yield* receive(world, server, setup);
  yield* tellStatus(world, server);
  yield* stage(world, server, setup);
}

/**
 * What an actor does next, by what it is at.
 * @type {Record<string, (world: World, actor: number, task: any, setup: Setup) => Iterable<Step>>}
 */
const NEXT = {
  judge,
  continue: goOn,
  commit,
  announce,
  look,
  retract,
  fence,
  peek,
  adopt,
  lock,
  rename,
  sync,
  publish,
  clean,
  settle,
  read: readRow,
  check: checkParts,
  mend,
};

/**
 * A server ends, and with it what it had in memory; Postgres ends its transaction.
 * @param {World} world @param {number} server @returns {Generator<Step>}
 */
function* crash(world, server) {
  const { place, task } = actorOf(world, server);
  if (world.left.crashes === 0 || (!place && !task)) return;
  yield step(world, server, 'crashes', null, ({ row, left }, me) => {
    left.crashes--;
    me.place = null;
    unlock(row, server);
  });
}
