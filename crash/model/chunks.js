// @ts-check
import { meetTail } from './adoption.js';
import { actorOf, changed, create, fileOf, mayLock, newFile, promise, step, writeCell } from './world.js';

/**
 * @typedef {import('./world.js').World} World
 * @typedef {import('./world.js').Setup} Setup
 * @typedef {import('./world.js').Step} Step
 * @typedef {import('./world.js').Chunk} Chunk
 * @typedef {import('./world.js').Continue} Continue
 * @typedef {import('./world.js').Commit} Commit
 * @typedef {import('./world.js').Announce} Announce
 */

const CONTENTS = 'abc';

/**
 * A server gets a chunk, and takes the first step with it. Retries and gaps are left out, because they change nothing.
 * @param {World} world @param {number} server @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* receive(world, server, setup) {
  if (world.left.chunks === 0) return;
  const { place } = actorOf(world, server);
  for (const chunk of chunksFrom(world, setup)) {
    if (place?.offset === chunk.start)
      yield* received(world, server, { at: 'continue', chunk, part: place.part }, setup);
    // Also possible with a cached place: a cache may be lost at any moment.
    if (isAppended(world, chunk)) yield* received(world, server, { at: 'judge', chunk }, setup);
  }
}

/**
 * @param {World} world @param {number} server @param {import('./world.js').Judge | Continue} task
 * @param {Setup} setup
 */
function received(world, server, task, setup) {
  const { start, content } = task.chunk;
  const next = changed(world, (draft) => {
    draft.left.chunks--;
    const sent = draft.asked[start] ?? 0;
    if (content === CONTENTS[sent]) draft.asked[start] = sent + 1;
    // The place is cached again only after success.
    Object.assign(actorOf(draft, server), { place: null, task });
  });
  return task.at === 'judge' ? judge(next, server, task, setup) : goOn(next, server, task, setup);
}

/**
 * The first content of a unit is always called `a`, because the order makes no difference.
 * @param {World} world @param {Setup} setup @returns {Chunk[]}
 */
function chunksFrom({ asked }, { contents }) {
  return asked.flatMap((sent, start) =>
    [...CONTENTS.slice(0, Math.min(sent + 1, contents))].map((content) => ({ start, content })),
  );
}

/** @param {World} world @param {Chunk} chunk */
function isAppended({ row }, { start }) {
  return row.state === 'open' && (row.tail !== null || row.offset === start);
}

/**
 * Reads the row. If the chunk starts at the offset, writes it into a new part in the same step, because nobody else
 * knows that part yet.
 * @param {World} world @param {number} server @param {import('./world.js').Judge} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* judge(world, server, task, setup) {
  const { row } = world;
  const { chunk } = task;
  if (!isAppended(world, chunk)) yield step(world, server, `answers ${told(chunk)} as the row says`, null);
  else if (row.tail) yield meetTail(world, server, task);
  else if (!setup.rules.ownParts && typeof row.part === 'number')
    yield writeOwn(world, server, chunk, row.part, setup);
  else
    yield step(world, server, `writes ${told(chunk)} into a new part`, null, (next, me) => {
      const cells = Array.from({ length: chunk.start }, () => '');
      const part = create(next, newFile([...cells, chunk.content]));
      me.task = { at: 'commit', chunk, part, isNew: true, read: row.part, late: false };
    });
}

/**
 * @param {World} world @param {number} server @param {Continue} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* goOn(world, server, { chunk, part }, setup) {
  if (isDamaged(world, part, chunk, setup)) {
    yield step(world, server, `finds part ${part} damaged`, { at: 'judge', chunk });
    return;
  }
  yield writeOwn(world, server, chunk, part, setup);
  if (world.left.failures > 0) yield failToWrite(world, server, chunk, part, setup);
  if (!setup.announcing || chunk.start + 1 === setup.total) return;
  yield* announce(world, server, { at: 'announce', chunk, part, written: null, announced: null }, setup);
}

/** @param {World} world @param {number} part @param {Chunk} chunk @param {Setup} setup */
function isDamaged(world, part, { start }, { rules }) {
  const { named, cells } = fileOf(world, part);
  return rules.measure && !(named && cells.length === start);
}

/**
 * @param {World} world @param {number} server @param {Chunk} chunk @param {number} part
 * @param {Setup} setup
 */
function writeOwn(world, server, chunk, part, setup) {
  const task = /** @type {const} */ ({ at: 'commit', chunk, part, isNew: false, read: null, late: false });
  return step(world, server, `writes ${told(chunk)} into part ${part}`, task, (next) =>
    write(next, part, chunk, setup),
  );
}

/**
 * @param {World} world @param {number} server @param {Chunk} chunk @param {number} part
 * @param {Setup} setup
 */
function failToWrite(world, server, chunk, part, { rules }) {
  return step(world, server, `fails to write ${told(chunk)} into part ${part}`, null, (next, me) => {
    fail(next, part, chunk.start, '?~');
    if (!rules.leaveFailedParts) me.place = { offset: chunk.start, part };
  });
}

/**
 * The one statement that makes a chunk count.
 * @param {World} world @param {number} server @param {Commit} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* commit(world, server, task, { rules }) {
  if (!mayLock(world, server)) return;
  const { chunk, part, isNew } = task;
  if (!(isNew ? takesNew(world, task, rules) : takesOwn(world, chunk, part, rules))) {
    yield step(world, server, `finds that ${told(chunk)} does not count`, { at: 'judge', chunk });
    return;
  }
  yield step(world, server, `commits ${told(chunk)} in part ${part}`, null, (next, me) => {
    count(next, task);
    me.place = { offset: chunk.start + 1, part };
  });
  if (world.left.failures === 0 || !isNew) return;
  yield step(world, server, `commits ${told(chunk)} in part ${part}, and gets no answer`, null, (next) => {
    next.left.failures--;
    count(next, task);
    if (!rules.leaveUnansweredParts) fileOf(next, part).named = false;
  });
}

/** @param {World} world @param {Commit} task @param {import('./rules.js').Rules} rules */
function takesNew({ row, parts }, { chunk, read, late }, rules) {
  if (row.state !== 'open' || (late && rules.deadline)) return false;
  // The primary key of the parts.
  if (parts.some(([start]) => start === chunk.start)) return false;
  return (row.offset === chunk.start || !rules.compareOffset) && (row.part === read || !rules.comparePart);
}

/**
 * @param {World} world @param {Chunk} chunk @param {number} part @param {import('./rules.js').Rules} rules
 */
function takesOwn({ row }, { start }, part, rules) {
  if (row.state !== 'open') return false;
  if (row.tail) return row.tail.part === part && row.tail.end === start;
  return (row.offset === start || !rules.compareOffset) && (row.part === part || !rules.comparePart);
}

/** @param {World} next @param {Commit} task */
function count(next, { chunk, part, isNew }) {
  const { row } = next;
  if (isNew) next.parts.push([chunk.start, part]);
  Object.assign(row, { offset: Math.max(row.offset, chunk.start + 1), part, tail: null });
  promise(next, chunk.start, chunk.content, part);
}

/**
 * Writes and announces at the same time.
 * @param {World} world @param {number} server @param {Announce} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* announce(world, server, task, setup) {
  if (task.written === null) yield* writeAnnounced(world, server, task, setup);
  if (task.announced !== null || !mayLock(world, server)) return;
  const { chunk, part } = task;
  if (!takesOwn(world, chunk, part, setup.rules)) {
    yield step(world, server, `may not announce ${told(chunk)}`, afterBoth({ ...task, announced: 'no' }));
    return;
  }
  yield step(world, server, `announces ${told(chunk)}`, afterBoth({ ...task, announced: 'yes' }), (next) => {
    const tail = { part, end: chunk.start + 1, content: chunk.content };
    Object.assign(next.row, { offset: chunk.start, part: null, tail });
  });
}

/**
 * @param {World} world @param {number} server @param {Announce} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
function* writeAnnounced(world, server, task, setup) {
  const { chunk, part } = task;
  const [well, failed] = [afterBoth({ ...task, written: 'yes' }), afterBoth({ ...task, written: 'no' })];
  if (isDamaged(world, part, chunk, setup)) {
    yield step(world, server, `finds part ${part} damaged`, failed);
    return;
  }
  yield step(world, server, `writes ${told(chunk)} into part ${part}, announcing it`, well, (next) =>
    write(next, part, chunk, setup),
  );
  if (world.left.failures === 0) return;
  for (const cell of ['?~', `${chunk.content}~`]) {
    yield step(world, server, `fails to write ${told(chunk)}, and leaves ${cell}`, failed, (next) =>
      fail(next, part, chunk.start, cell),
    );
  }
}

/** @param {Announce} task @returns {import('./world.js').Task | null} */
function afterBoth(task) {
  const { chunk, part, written, announced } = task;
  if (written === null || announced === null) return task;
  if (written === 'no') return announced === 'yes' ? { at: 'retract', chunk, part } : null;
  return announced === 'yes' ? { at: 'look', chunk, part } : { at: 'judge', chunk };
}

/**
 * Checks for a fence. A part whose name is gone cannot be fenced, so that counts as fenced. Without this rule, what is
 * lost with the name is forgiven.
 * @param {World} world @param {number} server @param {Continue} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* look(world, server, { chunk, part }, { rules, strict }) {
  const { named, fenced } = fileOf(world, part);
  if ((fenced && rules.look) || (!named && rules.measure)) {
    yield step(world, server, `finds part ${part} fenced`, { at: 'judge', chunk });
    return;
  }
  yield step(world, server, `acknowledges ${told(chunk)} in part ${part}`, null, (next, me) => {
    if (named || strict) promise(next, chunk.start, chunk.content, part);
    me.place = { offset: chunk.start + 1, part };
  });
}

/**
 * @param {World} world @param {number} server @param {Continue} task @param {Setup} setup
 * @returns {Generator<Step>}
 */
export function* retract(world, server, { chunk, part }, { rules }) {
  if (!mayLock(world, server)) return;
  yield step(world, server, `takes back ${told(chunk)}`, null, ({ row }) => {
    const stands = row.state === 'open' && row.tail?.part === part && row.tail.end === chunk.start + 1;
    if (stands && rules.takeBack) Object.assign(row, { part, tail: null });
  });
}

/**
 * What is written into a damaged part is there as well, unless its name is gone.
 * @param {World} next @param {number} part @param {Chunk} chunk @param {Setup} setup
 */
function write(next, part, { start, content }, { strict }) {
  const file = fileOf(next, part);
  writeCell(file, start, file.tainted ? `${content}~` : content);
  const { damaged } = next;
  if (damaged?.part !== part) return;
  const others = damaged.units.filter((unit) => unit !== start);
  damaged.units = file.named || strict ? others : [...others, start];
}

/** @param {World} next @param {number} part @param {number} unit @param {string} cell */
function fail(next, part, unit, cell) {
  next.left.failures--;
  const file = fileOf(next, part);
  writeCell(file, unit, cell);
  file.tainted = true;
}

/** @param {Chunk} chunk */
function told({ start, content }) {
  return `${content} for unit ${start}`;
}
