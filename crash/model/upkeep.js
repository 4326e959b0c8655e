// @ts-check
import { meetTail } from './adoption.js';
import { endTransaction } from './completion.js';
import { cellOf, changed, fileOf, isWhole, partOf, step } from './world.js';

/**
 * @typedef {import('./world.js').World} World
 * @typedef {import('./world.js').Setup} Setup
 * @typedef {import('./world.js').Step} Step
 * @typedef {import('./world.js').Check} Check
 */

/**
 * Removes an old file without a row. Finding and removing it are two steps.
 * @param {World} world @param {Setup} setup
 */
export function* sweep(world, { rules }) {
  const { condemned } = world;
  if (condemned !== null) {
    const next = changed(world, (draft) => {
      fileOf(draft, condemned).named = false;
      draft.condemned = null;
    });
    yield /** @type {Step} */ ([`the sweeper removes file ${condemned}`, next]);
    return;
  }
  for (const [name, file] of world.files.entries()) {
    const isYoung = rules.orphanAge && !file?.old;
    if (!file?.named || isYoung || hasRow(world, name)) continue;
    const next = changed(world, (draft) => void (draft.condemned = name));
    yield /** @type {Step} */ ([`the sweeper finds no row for file ${name}`, next]);
  }
}

/** @param {World} world @param {number} name */
function hasRow({ parts, media }, name) {
  return parts.some(([, part]) => part === name) || media.some(({ file }) => file === name);
}

/**
 * Time passes until files become orphans and all deadlines have passed. Writes do not make a file young again, which is
 * worse than in reality.
 * @param {World} world
 * @returns {Generator<Step>}
 */
export function* passTime(world) {
  if (world.left.times === 0) return;
  const next = changed(world, (draft) => {
    draft.left.times--;
    endTransaction(draft);
    for (const file of draft.files) if (file) file.old = true;
    for (const { task } of draft.actors) if (task && 'late' in task) task.late = true;
  });
  yield ['time passes', next];
}

/**
 * Cancels or expires the upload, and cleans up: first the state, then the files, then their rows.
 * @param {World} world @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* end(world, { rules }) {
  const { row, left, ending } = world;
  const order = rules.endRowFirst
    ? /** @type {const} */ (['state', 'files', 'rows'])
    : ['files', 'state', 'rows'];
  const begins = ending === null && left.expiries > 0 && row.state === 'open';
  const at = begins ? order[0] : ending;
  if (!at || (at === 'state' && row.lock !== null)) return;
  const next = changed(world, (draft) => {
    if (begins) draft.left.expiries--;
    draft.ending = /** @type {World['ending']} */ (order[[...order].indexOf(at) + 1] ?? null);
    if (at === 'state' && row.state === 'open') draft.row.state = 'expired';
    if (at === 'files') for (const [, part] of draft.parts) fileOf(draft, part).named = false;
    if (at === 'rows') draft.parts = [];
  });
  yield [`the upload is ended: ${at}`, next];
}

/**
 * Something outside truncates or removes a part. Acknowledged bytes of these units may be gone.
 * @param {World} world @returns {Generator<Step>}
 */
export function* damage(world) {
  const { row, parts, left } = world;
  if (left.damages === 0 || row.state !== 'open') return;
  for (const [start, part] of parts) {
    const length = fileOf(world, part).cells.length;
    for (let kept = start; kept < length; kept++) {
      yield [
        `part ${part} is cut at unit ${kept}`,
        harmed(world, part, kept, (file) => void (file.cells.length = kept)),
      ];
    }
    yield [`part ${part} is removed`, harmed(world, part, start, (file) => void (file.named = false))];
  }
}

/**
 * @param {World} world @param {number} part @param {number} from @param {(file: import('./world.js').File) =>
 *   void} change
 */
function harmed(world, part, from, change) {
  return changed(world, (draft) => {
    const { parts, promised, left } = draft;
    const file = fileOf(draft, part);
    left.damages--;
    draft.damaged = { part, units: [...file.cells.keys()].slice(from) };
    for (const unit of promised.keys())
      if (unit >= from && partOf(parts, unit) === part) promised[unit] = null;
    change(file);
  });
}

/** `fsck --fix` begins. @param {World} world @param {number} fsck @returns {Generator<Step>} */
export function* startFsck(world, fsck) {
  if (world.left.fscks === 0) return;
  for (const [label, next] of readRow(world, fsck)) {
    next.left.fscks--;
    yield [label, next];
  }
}

/** @param {World} world @param {number} fsck @returns {Generator<Step>} */
export function* readRow(world, fsck) {
  const { row, parts } = world;
  if (row.state !== 'open') yield step(world, fsck, 'finds an ended upload', null);
  else if (row.tail) yield meetTail(world, fsck, { at: 'read' });
  else yield step(world, fsck, 'reads the row', { at: 'check', offset: row.offset, part: row.part, parts });
}

/**
 * @param {World} world @param {number} fsck @param {Check & { at: 'check' }} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* checkParts(world, fsck, { offset, part, parts }, { strict }) {
  const units = world.promised.slice(0, offset).map((_, unit) => cellOf(world, partOf(parts, unit), unit));
  const missing = units.indexOf('');
  const isSame = world.row.state === 'open' && world.row.offset === offset && world.row.part === part;
  if (missing < 0)
    yield step(world, fsck, 'finds nothing missing', null, (next) => {
      if (strict && isSame && !units.every(isWhole)) next.fault = `fsck overlooks a hole: ${units}`;
    });
  else yield step(world, fsck, `misses unit ${missing}`, { at: 'mend', offset, part, missing });
}

/**
 * @param {World} world @param {number} fsck @param {Check & { at: 'mend' }} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* mend(world, fsck, { offset, part, missing }, { rules }) {
  const { row } = world;
  if (row.lock !== null) return;
  const isSame = row.state === 'open' && row.offset === offset && row.part === part;
  if (rules.compareMended && !isSame) {
    yield step(world, fsck, 'leaves a row alone that has changed', null);
    return;
  }
  yield step(world, fsck, `sets the offset back to ${missing}`, null, (next) => {
    const { parts, promised } = next;
    if (row.state !== 'open' || isWhole(cellOf(next, partOf(parts, missing), missing)))
      next.fault = `fsck took unit ${missing}, which is there`;
    next.parts = parts.filter(([start]) => start < missing);
    for (const unit of promised.keys()) if (unit >= missing) promised[unit] = null;
    const last = rules.disownMended ? 'nobody' : (next.parts.at(-1)?.[1] ?? 'nobody');
    Object.assign(next.row, { offset: missing, part: last, tail: null });
    next.damaged = null;
  });
}
