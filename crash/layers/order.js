// @ts-check
import { join } from 'node:path';
import { inPlace } from '../place.js';
import { figures } from '../report.js';
import { descriptorOf, noStrace, openFlags, pathsOf, predictable, Trace } from '../trace.js';
import { plainUpload } from '../upload.js';

const FILES =
  'openat,statx,pwrite64,pwritev,write,writev,ftruncate,fdatasync,fsync,rename,renameat,renameat2,unlink,unlinkat,close';
const SOCKETS = 'sendto,sendmsg,read,recvfrom,recvmsg';
const SENDS = /^(write|writev|sendto|sendmsg)$/;
const RECEIVES = /^(read|recvfrom|recvmsg)$/;

const CHUNK_BYTES = 10_000;
const TOTAL_BYTES = 4 * CHUNK_BYTES;

/**
 * What a power cut would show, without one: in the log of the system calls of two uploads, everything that an answer
 * promises is durable before its COMMIT is sent, its COMMIT is confirmed before the answer is, and nothing touches a
 * file before its row is locked. But for the next chunk of an upload that its process alone writes to: its bytes and its
 * announcement are durable before the answer, in any order, and the fence is looked for in between.
 * @param {import('../report.js').Options} options
 */
export async function* order({ checkout, seed, runs = 1 }) {
  const skipped = noStrace();
  if (skipped) {
    yield { layer: 'order', skipped };
    return;
  }
  yield* inPlace(checkout, async function* (place) {
    for (let run = 0; run < runs; run++)
      yield { layer: 'order', run, ...(await watchOne(place, `${seed}-order-${run}`)) };
  });
}

/** @param {import('../place.js').Place} place @param {string} seed */
async function watchOne(place, seed) {
  await place.killServers();
  const server = await place.startServer(predictable(seed));
  const args = ['-s', '3000', '-e', `trace=${FILES},${SOCKETS}`];
  const trace = await Trace.attach(server.pid, args, join(place.root, 'order.log'));
  const uploads = [0, 1].map((index) => uploadOf(`${seed}-${index}.txt`));
  /** @type {Step[]} */
  const steps = [];
  /** @type {import('../oracles.js').Violation[]} */
  const violations = [];
  await drive(place.target, uploads, steps).catch((error) => {
    violations.push({ kind: 'refused', what: `after ${steps.length} answers: ${error}` });
  });
  const calls = await trace.detach();
  const answers = split(calls);
  const paths = uploads.map((_, n) => pathsOf(place.dataDir, seed, n));
  for (const [index, answer] of answers.entries()) {
    const step = steps[index];
    const found = step ? faults(answer, step, paths[step.upload] ?? []) : [];
    for (const what of found)
      violations.push({ kind: 'wrong', what: `answer ${index + 1}, ${step?.kind}: ${what}` });
  }
  if (answers.length !== steps.length)
    violations.push({ kind: 'wrong', what: `${answers.length} answers instead of ${steps.length}` });
  return { seed, calls: calls.length, answers: answers.length, ...figures(uploads, violations) };
}

/** @param {string} name */
function uploadOf(name) {
  const upload = plainUpload(name, TOTAL_BYTES);
  upload.chunkBytes = CHUNK_BYTES;
  return upload;
}

/**
 * @typedef {import('../trace.js').Call} Call
 * @typedef {'first' | 'next' | 'leased' | 'repeat' | 'overlap' | 'completion' | 'repetition' | 'cancellation'} Kind
 * @typedef {{ kind: Kind, status: number, upload: number, start: number, end: number }} Step of `start` to `end` the bytes that are new
 */

/** Every kind of request, one after the other. @param {import('../http.js').Target} target @param {readonly import('../upload.js').Upload[]} uploads @param {Step[]} steps those that were answered */
async function drive(target, [whole, cancelled], steps) {
  if (!whole || !cancelled) return;
  const append = async (/** @type {Kind} */ kind, upload = whole) => {
    const start = upload.acked;
    await upload.append(target);
    steps.push({ kind, status: 201, upload: upload === whole ? 0 : 1, start, end: upload.acked });
  };
  const bare = { upload: 0, start: 0, end: 0 };
  await append('first');
  await append('leased');
  // With its id in the query it goes the long way, through Express and Nest.
  whole.raw = true;
  await append('leased');
  whole.offset -= CHUNK_BYTES;
  await append('repeat');
  whole.offset -= CHUNK_BYTES / 2;
  await append('overlap');
  await append('next');
  await whole.complete(target);
  steps.push({ ...bare, kind: 'completion', status: 201 });
  await whole.complete(target);
  steps.push({ ...bare, kind: 'repetition', status: 200 });
  await append('first', cancelled);
  await cancelled.cancel(target);
  steps.push({ ...bare, kind: 'cancellation', status: 204, upload: 1 });
}

/** The calls that led to one answer. */
class Answer {
  /**
   * @param {readonly Call[]} calls the last of them sends the answer
   * @param {ReadonlyMap<Call, string>} flags with which their files were opened
   * @param {ReadonlyMap<string, string>} texts of prepared statements
   */
  constructor(calls, flags, texts) {
    this.calls = calls;
    this.flags = flags;
    this.texts = texts;
  }

  get last() {
    return this.calls.at(-1);
  }

  get status() {
    return Number(/HTTP\/1\.1 (\d{3}) /.exec(this.last?.text ?? '')?.[1]);
  }

  /** @param {RegExp} name @param {string | RegExp} text */
  all(name, text) {
    return this.calls.filter(
      (call) =>
        name.test(call.name) && (typeof text === 'string' ? call.text.includes(text) : text.test(call.text)),
    );
  }

  /** Syncs of that very file or directory that succeeded. @param {string} path */
  syncs(path) {
    return this.all(/^f(data)?sync$/, `<${path}>`).filter(({ text }) => /= 0$/.test(text));
  }

  /** @param {string} path */
  writes(path) {
    return this.all(/^p?writev?(64)?$/, `<${path}>`);
  }

  /** Prepared statements that were executed on the connection of its COMMIT. */
  get statements() {
    const { commit } = this;
    return commit ? this.executed((call) => descriptorOf(call) === descriptorOf(commit)) : [];
  }

  /** @param {(call: Call) => boolean} of @returns {{ call: Call, text: string }[]} */
  executed(of = () => true) {
    return this.calls
      .filter((call) => SENDS.test(call.name) && of(call))
      .flatMap((call) =>
        [...call.text.matchAll(/(mediadock_\d+)\\0\\0/g)].map(([, name = '']) => ({
          call,
          text: this.texts.get(name) ?? 'unknown',
        })),
      );
  }

  /** What Postgres said to a statement, `UPDATE 1` for one. @param {{ call: Call } | undefined} statement @param {string} tag */
  reply(statement, tag) {
    return this.all(RECEIVES, tag).find(({ begun }) => statement && begun > statement.call.begun);
  }

  /** The first one: nothing that it covers may come later. */
  get commit() {
    return this.all(SENDS, 'COMMIT\\0').at(0);
  }

  get committed() {
    return this.all(RECEIVES, 'COMMIT\\0').at(0);
  }

  /**
   * When the bytes of a write are on the disk: when it returns, if its file was opened to sync by itself, else when a
   * sync that began afterwards returns. @param {Call} write
   */
  durable(write) {
    const { path = '' } = /<(?<path>[^>]*)>/.exec(write.text)?.groups ?? {};
    if (/\bO_D?SYNC\b/.test(this.flags.get(write) ?? '')) return write;
    return this.syncs(path).find(({ begun }) => begun > write.ended);
  }
}

/** @param {readonly Call[]} calls the whole log: files and statements are opened once and used by later answers too */
function split(calls) {
  const [flags, texts] = [openFlags(calls), statementTexts(calls)];
  const ends = calls.flatMap(({ name, text }, at) =>
    SENDS.test(name) && /HTTP\/1\.1 \d{3} /.test(text) ? [at + 1] : [],
  );
  return ends.map((end, index) => new Answer(calls.slice(ends[index - 1] ?? 0, end), flags, texts));
}

/** A prepared statement shows its text once for each connection, and then its name alone. @param {readonly Call[]} calls */
function statementTexts(calls) {
  const parsed = calls
    .filter(({ name }) => SENDS.test(name))
    .flatMap(({ text }) => [...text.matchAll(/(mediadock_\d+)\\0([A-Z](?:[^"\\]|\\["n])*)/g)]);
  return new Map(
    parsed.map(([, name = '', text = '']) => [name, text.replaceAll('\\"', '"').replace(/(\\n|\s)+/g, ' ')]),
  );
}

/** @param {Answer} answer @param {Step} step @param {readonly string[]} paths */
function faults(answer, step, paths) {
  const { commit, committed, last, status } = answer;
  const general = status === step.status ? [] : [`the status is ${status}, not ${step.status}`];
  if (step.kind === 'repetition') return general;
  return [
    ...general,
    ...(step.kind === 'leased'
      ? []
      : [
          ...follows('COMMIT is sent', [committed], commit, 'it is confirmed'),
          ...follows('COMMIT is confirmed', [last], committed, 'the answer'),
        ]),
    ...KINDS[step.kind](answer, paths, step),
    ...statementFaults(answer),
  ];
}

/** @type {Record<Exclude<Kind, 'repetition'>, (answer: Answer, paths: readonly string[], step: Step) => string[]>} */
const KINDS = {
  first: (answer, paths, step) => [...creationFaults(answer, paths), ...chunkFaults(answer, paths, step)],
  next: (answer, paths, step) => [
    ...(answer.statements.length === 1 ? [] : [`${answer.statements.length} statements instead of one`]),
    ...chunkFaults(answer, paths, step),
  ],
  leased: leasedFaults,
  repeat: (answer, paths) => [
    ...lockFaults(answer, answer.writes(paths[2] ?? '')),
    ...durabilityFaults(answer, answer.writes(paths[2] ?? '')),
  ],
  overlap: (answer, paths, step) => [
    ...lockFaults(answer, answer.writes(paths[2] ?? '')),
    ...chunkFaults(answer, paths, step),
  ],
  completion: completionFaults,
  cancellation: cancellationFaults,
};

/** @param {Answer} answer @param {readonly string[]} paths */
function creationFaults(answer, [uploads = '', , upload = '']) {
  const created = answer.all(/^openat$/, `"${upload}", O_RDWR|O_CREAT`).at(-1);
  const synced = answer.syncs(uploads);
  return [
    ...follows('the file is created', synced, created, 'its directory is synced'),
    ...follows('the directory is synced', [answer.commit], synced.at(-1), 'COMMIT'),
  ];
}

/** @param {Answer} answer @param {readonly string[]} paths @param {Step} step */
function chunkFaults(answer, [, , upload = ''], { start, end }) {
  const writes = answer.writes(upload);
  const moving = answer.statements.filter(({ text }) => isMove(text)).at(-1);
  const moved = answer.reply(moving, 'UPDATE 1\\0') ?? answer.reply(moving, 'INSERT 0 1\\0');
  return [
    ...follows('the offset is moved and its row locked', writes, moved, 'the bytes are written'),
    ...durabilityFaults(answer, writes),
    ...(covers(writes, start, end) ? [] : [`not: exactly the bytes ${start} to ${end} are written`]),
    ...(writes.some((write) => answer.flags.get(write)?.includes('O_APPEND'))
      ? ['the file is opened for appending']
      : []),
  ];
}

/** Of an upload that its process alone writes to. @param {Answer} answer @param {readonly string[]} paths @param {Step} step */
function leasedFaults(answer, [, , upload = ''], { start, end }) {
  const { last } = answer;
  const writes = answer.writes(upload);
  const [moving, ...others] = answer.executed();
  const moved = answer.reply(moving, 'UPDATE 1\\0');
  const looks = answer.all(/^statx$/, `<${upload}>`);
  return [
    ...(moving && others.length === 0 && / SET "offset" = \$3, tail_end = \$4, /.test(moving.text)
      ? []
      : ['not: one statement, which announces the bytes']),
    ...(/ AND writer = \$9 /.test(moving?.text ?? '') ? [] : ['the bytes are announced whoever writes']),
    ...(/ coalesce\(tail_end, "offset"\) = \$3 /.test(moving?.text ?? '')
      ? []
      : ['the bytes are announced wherever the upload stands']),
    ...(covers(writes, start, end) ? [] : [`not: exactly the bytes ${start} to ${end} are written`]),
    ...follows('the bytes are announced', [last], moved, 'the answer'),
    ...writes.flatMap((write) => [
      ...follows('the bytes are durable', [last], answer.durable(write), 'the answer'),
      ...follows('the bytes are there', [looks.at(-1)], write, 'the fence is looked for'),
    ]),
  ];
}

/** @param {Answer} answer @param {readonly Call[]} writes */
function durabilityFaults(answer, writes) {
  return writes.flatMap((write) =>
    follows('the bytes are durable', [answer.commit], answer.durable(write), 'COMMIT'),
  );
}

/** Whether the writes, one after the other, make up this range. @param {readonly Call[]} writes @param {number} start @param {number} end */
function covers(writes, start, end) {
  let at = start;
  for (const { text } of writes) {
    const [, position, written] = /, \d+, (\d+)\) += (\d+)$/.exec(text) ?? [];
    if (Number(position) !== at) return false;
    at += Number(written);
  }
  return at === end;
}

/** @param {Answer} answer @param {readonly string[]} paths */
function completionFaults(answer, [uploads = '', files = '', upload = '', file = '']) {
  const { commit } = answer;
  const renamed = answer.all(/^rename/, file).at(-1);
  const [filesSynced, uploadsSynced] = [answer.syncs(files).at(-1), answer.syncs(uploads).at(-1)];
  return [
    ...lockFaults(answer, answer.all(/^(ftruncate|rename)/, upload)),
    ...follows('the file is synced', [renamed], answer.syncs(upload).at(-1), 'it is renamed'),
    ...follows('the file is renamed', [filesSynced, uploadsSynced], renamed, 'both directories are synced'),
    ...follows('the directory of files is synced', [commit], filesSynced, 'COMMIT'),
    ...follows('the directory of uploads is synced', [commit], uploadsSynced, 'COMMIT'),
  ];
}

/** @param {Answer} answer @param {readonly string[]} paths */
function cancellationFaults(answer, [, , upload = '']) {
  const removed = answer.all(/^unlink/, upload);
  return [
    ...lockFaults(answer, removed),
    ...follows('COMMIT is confirmed', removed, answer.committed, 'the bytes are removed'),
  ];
}

/** @param {Answer} answer @param {readonly Call[]} next */
function lockFaults(answer, next) {
  const locking = answer.statements.find(({ text }) => text.includes(' FOR UPDATE'));
  return follows('the row is locked', next, answer.reply(locking, 'SELECT 1\\0'), 'its file is changed');
}

/** @param {Answer} answer */
function statementFaults({ statements }) {
  return statements
    .filter(({ text }) => isMove(text))
    .flatMap(({ text }) => [
      ...(text.startsWith('UPDATE') && !/ WHERE .*"offset" = \$3/.test(text)
        ? ['the offset is set without being compared']
        : []),
      ...(text.includes('transaction_deferrable') ? [] : ['the offset would be set without BEGIN too']),
    ]);
}

/** @param {string} text */
function isMove(text) {
  return /^(UPDATE upload_session SET "offset" = \$4|INSERT INTO upload_session )/.test(text);
}

/** Whether `first` had ended before each of `next` began. @param {string} what @param {readonly (Call | undefined)[]} next @param {Call | undefined} first @param {string} then */
function follows(what, next, first, then) {
  const inOrder = first && next.length > 0 && next.every((call) => call && first.ended < call.begun);
  return inOrder ? [] : [`not: ${what}, and only then ${then}`];
}
