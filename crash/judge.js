// @ts-check
import { join } from 'node:path';
import { pathOf } from './answers.js';
import { COUNTING, HARMLESS, namesIn } from './statements.js';

/**
 * @typedef {import('./trace.js').Call} Call
 * @typedef {import('./answers.js').Answer} Answer
 * @typedef {import('./answers.js').Statement} Statement
 * @typedef {import('./layers/order.js').Kind} Kind
 * @typedef {import('./layers/order.js').Range} Range
 * @typedef {import('./layers/order.js').Step} Step
 */

/**
 * What each statement must at least compare.
 * @type {Partial<Record<import('./statements.js').Kind, readonly string[]>>}
 */
const COMPARES = {
  open: ['now() < $16'],
  'commit chunk': ['s."offset" = c.start', 's.part = c.last_part', 'now() < c.deadline'],
  announce: ['"offset" = $3 AND part = $6 OR tail_end = $3 AND tail_part = $6'],
  confirm: ['"offset" = $3 AND part = $6 OR tail_end = $3 AND tail_part = $6'],
  settle: ['tail_part = $2 AND tail_end = $3'],
  complete: ['"offset" = total AND part = $3 AND now() < $4'],
  adopt: ['"offset" = $4 AND tail_part = $5 AND tail_end = $6 AND now() < $7'],
};

const UPDATES = /^(confirm|settle)$/;

/** Statements of each kind of request, in order. @type {Partial<Record<Kind, readonly (readonly string[])[]>>} */
const PLAIN = {
  first: [['BEGIN', 'open', 'COMMIT']],
  next: [['commit chunk']],
  'new part': [['commit chunk']],
  elsewhere: [['commit chunk']],
  last: [['commit chunk']],
};

/** @type {typeof PLAIN} */
const ANNOUNCING = {
  ...PLAIN,
  next: [['announce']],
  repeat: [['settle']],
  elsewhere: [['adopt', 'commit chunk']],
  last: [['commit chunk'], ['confirm']],
};

/** Checks the system calls of a response against the design. Knows where in its upload each part starts. */
export class Judge {
  /** @param {string} dataDir @param {boolean} isAnnouncing */
  constructor(dataDir, isAnnouncing) {
    this.uploads = join(dataDir, 'uploads');
    this.files = join(dataDir, 'files');
    this.isAnnouncing = isAnnouncing;
    /** @type {Map<string, number>} */
    this.starts = new Map();
  }

  /** @param {Answer} answer @param {Step} step */
  faults(answer, step) {
    const { status } = answer;
    return [
      ...(status === step.status ? [] : [`the status is ${status}, not ${step.status}`]),
      ...this.kindFaults(answer, step),
      ...this.countingFaults(answer),
      ...commitFaults(answer),
      ...answer.statements.flatMap(({ kind, text }) =>
        (COMPARES[kind] ?? [])
          .filter((comparison) => !text.includes(comparison))
          .map((comparison) => `the statement to ${kind} does not compare: ${comparison}`),
      ),
    ];
  }

  /** @param {Answer} answer @param {Step} step */
  kindFaults(answer, step) {
    const { kind } = step;
    if (kind === 'completion') return this.completionFaults(answer);
    if (kind === 'cancellation') return this.cancellationFaults(answer);
    return [
      ...this.rangeFaults(answer, step.writes),
      ...this.statementFaults(answer, kind),
      ...(kind === 'next' && this.isAnnouncing ? this.announcedFaults(answer) : []),
      ...(answer.statement('adopt') ? this.adoptionFaults(answer) : []),
      ...(answer.all(/^unlink/, this.uploads).length > 0 ? ['something is removed'] : []),
    ];
  }

  /**
   * A part is durable before the statement that makes it count is sent, and that is answered before the response.
   * @param {Answer} answer
   */
  countingFaults(answer) {
    return answer.statements
      .filter(({ kind }) => COUNTING.includes(kind))
      .flatMap((statement) => [
        ...namesIn(statement.call.text).flatMap((name) => this.durabilityFaults(answer, statement, name)),
        ...follows(
          `the statement to ${statement.kind} is confirmed`,
          [answer.last],
          answer.reply(statement, UPDATES.test(statement.kind) ? 'UPDATE 1' : 'SELECT 1'),
          'the answer',
        ),
      ]);
  }

  /** @param {Answer} answer @param {Statement} statement @param {string} name of a part */
  durabilityFaults(answer, { kind, call }, name) {
    const path = join(this.uploads, name);
    const writes = answer.writes(this.uploads).filter((write) => pathOf(write) === path);
    const created = answer.creations(this.uploads).find(({ text }) => text.includes(`"${path}"`));
    const synced = created && answer.syncs(this.uploads).find(({ begun }) => begun > created.ended);
    return [
      ...writes.flatMap((write) =>
        follows('the bytes are durable', [call], answer.durable(write), `the statement to ${kind}`),
      ),
      ...(created ? follows('the directory is synced', [call], synced, `the statement to ${kind}`) : []),
    ];
  }

  /**
   * The writes cover exactly these ranges, each in one file.
   * @param {Answer} answer @param {readonly Range[]} ranges
   */
  rangeFaults(answer, ranges) {
    const writes = answer.writes(this.uploads);
    const paths = [...new Set(writes.map(pathOf))];
    const created = answer.creations(this.uploads).map(({ text }) => /"([^"]*)"/.exec(text)?.[1]);
    for (const [index, path] of paths.entries())
      if (created.includes(path)) this.starts.set(path, ranges[index]?.[0] ?? 0);
    const right = ranges.every(([start, end], index) => {
      const path = paths[index] ?? '';
      const first = this.starts.get(path) ?? Infinity;
      return covers(
        writes.filter((write) => pathOf(write) === path),
        start - first,
        end - first,
      );
    });
    return [
      ...(right && paths.length === ranges.length
        ? []
        : [`not: exactly these bytes are written: ${ranges.join(' and ')}`]),
      ...(writes.some((write) => answer.flags.get(write)?.includes('O_APPEND'))
        ? ['a part is opened for appending']
        : []),
    ];
  }

  /** @param {Answer} answer @param {Kind} kind */
  statementFaults(answer, kind) {
    const kinds = answer.statements
      .map((statement) => statement.kind)
      .filter((kind) => !HARMLESS.includes(kind));
    const expected = this.isAnnouncing ? ANNOUNCING : PLAIN;
    const wanted = expected[kind] ?? [[]];
    const right = wanted.some((some) => String(some) === String(kinds));
    return right ? [] : [`the statements are ${kinds.join()}, not ${wanted.join(' or ')}`];
  }

  /** @param {Answer} answer */
  announcedFaults(answer) {
    const { last } = answer;
    const writes = answer.writes(this.uploads);
    const moved = answer.reply(answer.statement('announce'), 'UPDATE 1');
    const looks = answer.all(/stat/, pathOf(writes[0]) || 'none');
    return [
      ...follows('the bytes are announced', [last], moved, 'the answer'),
      ...writes.flatMap((write) => [
        ...follows('the bytes are durable', [last], answer.durable(write), 'the answer'),
        ...follows('the bytes are there', [looks.at(-1)], write, 'the fence is looked for'),
      ]),
    ];
  }

  /** The old part is fenced, then read, and its bytes are written to a new part. @param {Answer} answer */
  adoptionFaults(answer) {
    const fenced = answer.all(/^(chmod|fchmodat)$/, `"${this.uploads}/`).at(0);
    const read = answer.all(/^openat$/, new RegExp(`"${this.uploads}/[^"]*", O_RDONLY`)).at(0);
    const created = answer.creations(this.uploads).at(0);
    return [
      ...follows('the tail is fenced', [read], fenced, 'it is read'),
      ...follows('the tail is read', [created], read, 'it is written to a new part'),
    ];
  }

  /** @param {Answer} answer */
  completionFaults(answer) {
    const begin = answer.statement('BEGIN')?.call;
    const renamed = answer.all(/^rename/, `"${this.files}/`).at(-1);
    const scratch = /"([^"]*)"/.exec(renamed?.text ?? '')?.[1] ?? '';
    const synced = answer.syncs(this.files).find(({ begun }) => renamed && begun > renamed.ended);
    const linked = answer.all(/^link/, `"${scratch}"`);
    const writes = answer.writes(this.uploads);
    const removed = answer
      .all(/^unlink/, `"${this.uploads}/`)
      .filter(({ text }) => !text.includes(`"${scratch}"`));
    return [
      ...(linked.length + writes.length > 0 ? [] : ['no whole file is made']),
      ...(writes.every((write) => pathOf(write) === scratch) ? [] : ['a part is written to']),
      ...linked.flatMap((link) => follows('the part is linked', [renamed], link, 'it is renamed')),
      ...writes.flatMap((write) =>
        follows('the file is synced', [renamed], answer.durable(write), 'it is renamed'),
      ),
      ...follows('the file is renamed', [synced], renamed, 'the directory of files is synced'),
      ...follows('the directory of files is synced', [begin], synced, 'BEGIN'),
      ...lockFaults(answer, [answer.statement('media')?.call]),
      ...removalFaults(answer, removed),
      ...follows(
        'COMMIT is confirmed',
        removed,
        answer.reply(answer.statement('COMMIT'), 'COMMIT'),
        'parts go',
      ),
    ];
  }

  /** @param {Answer} answer */
  cancellationFaults(answer) {
    const commit = answer.statement('COMMIT');
    const removed = answer.all(/^unlink/, `"${this.uploads}/`);
    return [
      ...lockFaults(answer, [commit?.call]),
      ...follows('COMMIT is confirmed', removed, answer.reply(commit, 'COMMIT'), 'the bytes are removed'),
      ...removalFaults(answer, removed),
    ];
  }
}

/** Rows of parts are deleted before the parts. @param {Answer} answer @param {readonly Call[]} removed */
function removalFaults(answer, removed) {
  const cleaned = answer.reply(answer.statement('clean'), `DELETE ${removed.length}`);
  return follows('the rows of the parts are gone', removed, cleaned, 'the parts go');
}

/** @param {Answer} answer */
function commitFaults(answer) {
  const commit = answer.statement('COMMIT');
  const confirmed = answer.reply(commit, 'COMMIT');
  return commit ? follows('COMMIT is confirmed', [answer.last], confirmed, 'the answer') : [];
}

/** @param {Answer} answer @param {readonly (Call | undefined)[]} next */
function lockFaults(answer, next) {
  return follows(
    'the row is locked',
    next,
    answer.reply(answer.statement('lock'), 'SELECT 1'),
    'it is changed',
  );
}

/**
 * Whether the writes, in order, cover this range.
 * @param {readonly Call[]} writes @param {number} start @param {number} end
 */
function covers(writes, start, end) {
  let at = start;
  for (const { text } of writes) {
    const [, position, written] = /, \d+, (\d+)\) += (\d+)$/.exec(text) ?? [];
    if (Number(position) !== at) return false;
    at += Number(written);
  }
  return at === end;
}

/**
 * Whether `first` ended before each of `next` began.
 * @param {string} what @param {readonly (Call | undefined)[]} next @param {Call | undefined} first @param {string} then
 */
function follows(what, next, first, then) {
  const inOrder = first && next.length > 0 && next.every((call) => call && first.ended < call.begun);
  return inOrder ? [] : [`not: ${what}, and only then ${then}`];
}
