// @ts-check

/**
 * One upload: its row, its files, and the servers that work on it. A unit stands for the bytes of one chunk.
 * Parts and files have numbers. A number is reused only when nobody knows the old file any more.
 *
 * A cell is what a file has of one unit: '' nothing, 'a' or 'b' a content, '0' a hole, '?~' half of a content.
 * A `~` marks bytes that a power cut may lose, although they can be read.
 *
 * @typedef {{ start: number, content: string }} Chunk
 * @typedef {{ part: number, end: number, content: string }} Tail
 * @typedef {number | 'nobody' | null} Last the last part; null while a tail is announced, 'nobody' after
 *   `fsck --fix`
 * @typedef {{ state: 'open' | 'complete' | 'expired', offset: number, part: Last, tail: Tail | null, lock:
 *   number | null }} Row
 * @typedef {[start: number, part: number]} PartRow it covers its units up to the next start, or to the offset
 * @typedef {{ cells: string[], named: boolean, fenced: boolean, old: boolean, tainted: boolean, form: number
 *   }} File `named`: the name in uploads/ is there; an open or published file outlives it. `tainted`: a write
 *   failed, later ones may be lost although they succeed. `form`: what this server's version makes of the
 *   bytes
 * @typedef {{ place: { offset: number, part: number } | null, task: Task | null }} Actor
 *
 * @typedef {object} World
 * @property {Row} row
 * @property {PartRow[]} parts
 * @property {(File | null)[]} files by number
 * @property {{ seen: number | null, disk: number | null }} key the file at files/KEY, and the one after a
 *   power cut
 * @property {{ file: number | null, form: number }[]} media `file`: null for the one at files/KEY
 * @property {Actor[]} actors the servers, then fsck
 * @property {number | null} condemned what the sweeper found without a row, and is about to remove
 * @property {'files' | 'rows' | null} ending what is next to be cleared away of an ended session
 * @property {{ part: number, units: number[] } | null} damaged what something outside has taken, until fsck
 *   has mended the row
 * @property {number[]} asked how many contents clients have sent of each unit
 * @property {(string | null)[]} promised the content of each unit that counts or was acknowledged
 * @property {string | null} fault a step that must not happen
 * @property {Record<Budget, number>} left
 *
 * @typedef {'chunks' | 'statuses' | 'completions' | 'crashes' | 'failures' | 'thaws' | 'expiries' | 'times' |
 *   'damages' | 'fscks'} Budget how often each may happen; `thaws`: a transaction ended under a frozen server
 *   that wakes up
 *
 * @typedef {Judge | Continue | Commit | Announce | Adopt | Complete | Check} Task
 * @typedef {{ at: 'judge', chunk: Chunk }} Judge
 * @typedef {{ at: 'continue' | 'look' | 'retract', chunk: Chunk, part: number }} Continue
 * @typedef {{ at: 'commit', chunk: Chunk, part: number, isNew: boolean, read: Last, late: boolean }} Commit
 * @typedef {{ at: 'announce', chunk: Chunk, part: number, written: Outcome, announced: Outcome }} Announce
 * @typedef {'yes' | 'no' | null} Outcome
 * @typedef {{ offset: number, tail: Tail }} Seen
 * @typedef {Judge | { at: 'read' } | null} After what goes on once a tail is settled
 * @typedef {{ at: 'fence' | 'peek' | 'adopt', seen: Seen, part: number | null, late: boolean, after: After }}
 *   Adopt
 * @typedef {{ at: 'lock' | 'rename' | 'sync' | 'publish' | 'clean' | 'settle', staged: number, read: Last,
 *   parts: number[], locked: boolean, late: boolean }} Complete
 * @typedef {{ at: 'read' } | { at: 'check', offset: number, part: Last, parts: PartRow[] } | { at: 'mend',
 *   offset: number, part: Last, missing: number }} Check
 */

/**
 * @typedef {object} Setup
 * @property {number} total units of the upload
 * @property {number} offset units that server 0 has already stored
 * @property {number} contents how many contents clients may send of one unit
 * @property {number} servers
 * @property {boolean} announcing
 * @property {boolean} forms whether each server publishes bytes of its own making, as two versions that strip
 *   might
 * @property {boolean} strict whether a damage may take only what was written before it, and must be found
 * @property {Partial<Record<Budget, number>>} left
 * @property {import('./rules.js').Rules} rules
 */

/** @typedef {readonly [label: string, world: World]} Step */

/** @type {Record<Budget, number>} */
const NOTHING = {
  chunks: 0,
  statuses: 0,
  completions: 0,
  crashes: 0,
  failures: 0,
  thaws: 0,
  expiries: 0,
  times: 0,
  damages: 0,
  fscks: 0,
};

/** @param {Setup} setup @returns {World} */
export function initialWorld({ total, offset, servers, left }) {
  const units = Array.from({ length: total }, (_, unit) => unit);
  return {
    row: { state: 'open', offset, part: 0, tail: null, lock: null },
    parts: [[0, 0]],
    media: [],
    files: [newFile(units.slice(0, offset).map(() => 'a'))],
    key: { seen: null, disk: null },
    actors: Array.from({ length: servers + 1 }, (_, actor) => ({
      place: actor === 0 ? { offset, part: 0 } : null,
      task: null,
    })),
    condemned: null,
    ending: null,
    damaged: null,
    asked: units.map((unit) => (unit < offset ? 1 : 0)),
    promised: units.map((unit) => (unit < offset ? 'a' : null)),
    fault: null,
    left: { ...NOTHING, ...left },
  };
}

/** @param {string[]} cells @param {number} form @returns {File} */
export function newFile(cells, form = 0) {
  return { cells, named: true, fenced: false, old: false, tainted: false, form };
}

/** Creates a file with a new name. @param {World} world @param {File} file */
export function create(world, file) {
  const free = world.files.indexOf(null);
  if (free >= 0) world.files[free] = file;
  return free >= 0 ? free : world.files.push(file) - 1;
}

/** @param {World} world @param {number} name @returns {File} */
export function fileOf(world, name) {
  const file = world.files[name];
  if (!file) throw new Error(`File ${name} was forgotten, though somebody knows it`);
  return file;
}

/** @param {World} world @param {number} actor @returns {Actor} */
export function actorOf(world, actor) {
  return /** @type {Actor} */ (world.actors[actor]);
}

/** What everybody else calls it. @param {World} world @param {number} actor */
export function nameOf(world, actor) {
  return actor === world.actors.length - 1 ? 'fsck' : `server ${actor}`;
}

/** Nobody waits for the row's lock. @param {World} world @param {number} actor */
export function mayLock({ row }, actor) {
  return row.lock === null || row.lock === actor;
}

/** The part that holds a unit, by its row. @param {readonly PartRow[]} parts @param {number} unit */
export function partOf(parts, unit) {
  return parts.findLast(([start]) => start <= unit)?.[1];
}

/**
 * What a reader finds under the name of a file.
 * @param {World} world @param {number | undefined} name @param {number} unit
 */
export function cellOf({ files }, name, unit) {
  const file = name === undefined ? undefined : files[name];
  return file?.named ? (file.cells[unit] ?? '') : '';
}

/**
 * Writes at a position; what was skipped becomes a hole.
 * @param {File} file @param {number} unit @param {string} cell
 */
export function writeCell(file, unit, cell) {
  while (file.cells.length < unit) file.cells.push('0');
  file.cells[unit] = cell;
}

/** A content, whole, durable or not. @param {string} cell */
export function isWhole(cell) {
  return /^[a-z]~?$/.test(cell);
}

/**
 * The unit counts from now on, with this content, in this part.
 * @param {World} world @param {number} unit @param {string} content @param {number} part
 */
export function promise(world, unit, content, part) {
  if (isTaken(world, part, unit)) return;
  const known = world.promised[unit];
  if (known && known !== content)
    world.fault = `unit ${unit} was acknowledged as ${known}, and again as ${content}`;
  world.promised[unit] = content;
}

/** By something outside. @param {World} world @param {number | undefined} part @param {number} unit */
export function isTaken({ damaged }, part, unit) {
  return damaged !== null && damaged.part === part && damaged.units.includes(unit);
}

/**
 * What an actor does next: a copy of the world, changed.
 * @param {World} world @param {number} actor @param {string} label @param {Task | null} task what it goes on
 *   with
 * @param {(next: World, me: Actor) => void} change
 * @returns {Step}
 */
export function step(world, actor, label, task, change = () => undefined) {
  const next = changed(world, (draft) => {
    const me = actorOf(draft, actor);
    me.task = task;
    change(draft, me);
  });
  return [`${nameOf(world, actor)} ${label}`, next];
}

/**
 * Changes a copy of the world, and forgets what nobody knows any more: a file without a row, a reader or a
 * writer makes no difference to anybody, whenever the sweeper comes for it.
 * @param {World} world @param {(next: World) => void} change
 */
export function changed(world, change) {
  const next = clone(world);
  change(next);
  const known = knownFiles(next);
  next.files = next.files.map((file, name) => (known.has(name) ? file : null));
  while (next.files.at(-1) === null) next.files.pop();
  if (!next.parts.some(([, part]) => part === next.damaged?.part)) next.damaged = null;
  return next;
}

/** @param {World} world */
function knownFiles({ row, parts, key, media, actors, condemned }) {
  /** @type {Set<unknown>} */
  const known = new Set([row.part, row.tail?.part, key.seen, key.disk, condemned]);
  for (const { file } of media) known.add(file);
  for (const [, part] of parts) known.add(part);
  for (const { place, task } of actors) {
    known.add(place?.part);
    if (task) for (const name of namesIn(task)) known.add(name);
  }
  return known;
}

/** @param {Task} task @returns {unknown[]} */
function namesIn(task) {
  if ('seen' in task) return [task.seen.tail.part, task.part];
  if ('staged' in task) return [task.staged, task.read, ...task.parts];
  if (task.at === 'check') return [task.part, ...task.parts.map(([, part]) => part)];
  if (task.at === 'commit') return [task.part, task.read];
  return 'part' in task ? [task.part] : [];
}

/** @template T @param {T} value @returns {T} */
function clone(value) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return /** @type {T} */ (value.map(clone));
  /** @type {Record<string, unknown>} */
  const copy = {};
  for (const name in value) copy[name] = clone(value[name]);
  return /** @type {T} */ (copy);
}
