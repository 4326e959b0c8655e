// @ts-check
import { hash } from 'node:crypto';

/**
 * @template World
 * @typedef {object} Model
 * @property {World} initial plain data that JSON can represent
 * @property {(world: World) => Iterable<readonly [label: string, world: World]>} steps everything that may
 *   happen next
 * @property {(world: World) => string | undefined} violation the invariant that does not hold
 */

/**
 * @typedef {object} Verdict
 * @property {number} states
 * @property {string | undefined} violation
 * @property {readonly string[]} trace the shortest path to the violation, step by step
 */

/**
 * Visits every reachable world, nearest first, until one violates an invariant.
 * @template World @param {Model<World>} model @returns {Verdict}
 */
export function explore(model) {
  const visited = new Visited();
  const first = JSON.stringify(model.initial);
  visited.add(first, 0);
  for (let level = [first], parent = 0; level.length > 0;) {
    /** @type {string[]} */
    const following = [];
    for (const text of level) {
      for (const [, next] of model.steps(JSON.parse(text))) {
        const nextText = JSON.stringify(next);
        if (!visited.add(nextText, parent)) continue;
        const violation = model.violation(next);
        if (violation) return { states: visited.size, violation, trace: trace(model, visited) };
        following.push(nextText);
      }
      parent++;
    }
    level = following;
  }
  return { states: visited.size, violation: undefined, trace: [] };
}

/** Worlds in the order of discovery. Stores 128 bits of each, and the world from which it was reached. */
class Visited {
  constructor() {
    /** @type {Set<string>} */
    this.digests = new Set();
    /** @type {number[]} */
    this.parents = [];
  }

  get size() {
    return this.parents.length;
  }

  /** False if the world is known. @param {string} text @param {number} parent */
  add(text, parent) {
    const digest = digestOf(text);
    if (this.digests.has(digest)) return false;
    this.digests.add(digest);
    this.parents.push(parent);
    return true;
  }

  /** Digests on the path from the first world to the last one. */
  pathToLast() {
    const indices = new Set([0]);
    for (let index = this.size - 1; index > 0; index = this.parents[index] ?? 0) indices.add(index);
    return [...this.digests].filter((_, index) => indices.has(index));
  }
}

/**
 * Walks the path again to get its labels, because the worlds themselves are not stored.
 * @template World @param {Model<World>} model @param {Visited} visited
 */
function trace(model, visited) {
  const labels = [];
  let world = model.initial;
  for (const digest of visited.pathToLast().slice(1)) {
    const step = [...model.steps(world)].find(([, next]) => digestOf(JSON.stringify(next)) === digest);
    if (!step) throw new Error('The same world had other steps when it was visited first');
    labels.push(step[0]);
    world = step[1];
  }
  return labels;
}

/** @param {string} text */
function digestOf(text) {
  return hash('md5', text, 'binary');
}
