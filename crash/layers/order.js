// @ts-check
import { join } from 'node:path';
import { inPlace } from '../place.js';
import { figures } from '../report.js';
import { noStrace, pathsOf, predictable, Trace } from '../trace.js';
import { plainUpload } from '../upload.js';

const FILES =
  'openat,pwrite64,pwritev,write,writev,ftruncate,fdatasync,fsync,rename,renameat,renameat2,close';
const SOCKETS = 'sendto,sendmsg,read,recvfrom,recvmsg';

/**
 * What a power cut would show, without one: in the log of one upload's system calls, everything that an answer promises
 * is synced before its COMMIT is sent, and its COMMIT is confirmed before the answer is.
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
  const args = ['-s', '1200', '-e', `trace=${FILES},${SOCKETS}`];
  const trace = await Trace.attach(server.pid, args, join(place.root, 'order.log'));
  const upload = plainUpload(`${seed}.txt`, 30_000);
  await upload.run(place.target, Date.now() + 60_000);
  const calls = await trace.detach();
  const answers = split(calls, pathsOf(place.dataDir, seed, 0)).filter(({ status }) => status === 201);
  /** @type {import('../oracles.js').Violation[]} */
  const violations = answers.flatMap((answer, index) =>
    faults(answer, index).map((what) => ({ kind: 'wrong', what: `201 number ${index + 1}: ${what}` })),
  );
  for (const what of statementFaults(calls)) violations.push({ kind: 'wrong', what });
  if (answers.length !== 4)
    violations.push({ kind: 'wrong', what: `${answers.length} answers of 201 instead of 4` });
  return { seed, calls: calls.length, answers: answers.length, ...figures([upload], violations) };
}

/** @typedef {import('../trace.js').Call} Call */

/** The calls that led to one answer. */
class AnswerCalls {
  /** @param {number} status @param {readonly Call[]} calls the last of them sends the answer @param {readonly string[]} paths */
  constructor(status, calls, [uploads = '', files = '', upload = '', file = '']) {
    this.status = status;
    this.calls = calls;
    this.paths = { uploads, files, upload, file };
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

  get writes() {
    return this.all(/^p?writev?(64)?$/, `<${this.paths.upload}>`);
  }

  /** The first one: nothing that it covers may come later. */
  get commit() {
    return this.all(/^(write|writev|sendto|sendmsg)$/, 'COMMIT\\0').at(0);
  }

  get committed() {
    return this.all(/^(read|recvfrom|recvmsg)$/, 'COMMIT\\0').at(0);
  }

  get answer() {
    return this.calls.at(-1);
  }
}

/** @param {readonly Call[]} calls @param {readonly string[]} paths */
function split(calls, paths) {
  const answers = [];
  let start = 0;
  for (const [at, { name, text }] of calls.entries()) {
    const [, status] =
      (/^(write|writev|sendto|sendmsg)$/.test(name) && /HTTP\/1\.1 (\d{3}) /.exec(text)) || [];
    if (!status) continue;
    answers.push(new AnswerCalls(Number(status), calls.slice(start, at + 1), paths));
    start = at + 1;
  }
  return answers;
}

/** Three chunks come first, then the completion. @param {AnswerCalls} answer @param {number} index */
function faults(answer, index) {
  const { commit, committed } = answer;
  const general = [
    ...follows('COMMIT is sent', [committed], commit, 'it is confirmed'),
    ...follows('COMMIT is confirmed', [answer.answer], committed, 'the answer'),
  ];
  return [...general, ...(index < 3 ? chunkFaults(answer, index) : completionFaults(answer))];
}

/** @param {AnswerCalls} answer @param {number} index */
function chunkFaults(answer, index) {
  const { writes, commit, paths } = answer;
  const synced = answer.syncs(paths.upload).at(-1);
  const created = answer.all(/^openat$/, `"${paths.upload}", O_RDWR|O_CREAT`).at(-1);
  return [
    ...follows('the bytes are written', [synced], writes.at(-1), 'they are synced'),
    ...follows('the bytes are synced', [commit], synced, 'COMMIT'),
    ...(index === 0
      ? follows('the file is created', answer.syncs(paths.uploads), created, 'its directory is synced')
      : []),
    ...(index === 0
      ? follows('the directory is synced', [commit], answer.syncs(paths.uploads).at(-1), 'COMMIT')
      : []),
    ...(answer.all(/^openat$/, 'O_APPEND').length > 0 ? ['the file is opened for appending'] : []),
  ];
}

/** @param {AnswerCalls} answer */
function completionFaults(answer) {
  const { commit, paths } = answer;
  const renamed = answer.all(/^rename/, paths.file).at(-1);
  const [files, uploads] = [answer.syncs(paths.files).at(-1), answer.syncs(paths.uploads).at(-1)];
  return [
    ...follows('the file is synced', [renamed], answer.syncs(paths.upload).at(-1), 'it is renamed'),
    ...follows('the file is renamed', [files, uploads], renamed, 'both directories are synced'),
    ...follows('the directory of files is synced', [commit], files, 'COMMIT'),
    ...follows('the directory of uploads is synced', [commit], uploads, 'COMMIT'),
  ];
}

/** A prepared statement shows its text once for each connection. @param {readonly Call[]} calls */
function statementFaults(calls) {
  const sent = calls
    .filter(({ name }) => /^(write|writev|sendto|sendmsg)$/.test(name))
    .map(({ text }) => text);
  const updates = sent.filter((text) => /UPDATE upload_session[^"]*SET \\"offset/.test(text));
  const compared = updates.filter((text) => /WHERE id = \$1 AND \\"offset\\" = \$2/.test(text));
  return [
    ...(sent.some((text) => text.includes(' FOR UPDATE')) ? [] : ['rows are not locked']),
    ...(updates.length > 0 && compared.length === updates.length
      ? []
      : ['the offset is set without being compared']),
  ];
}

/** Whether `first` had ended before each of `next` began. @param {string} what @param {readonly (Call | undefined)[]} next @param {Call | undefined} first @param {string} then */
function follows(what, next, first, then) {
  const inOrder = first && next.length > 0 && next.every((call) => call && first.ended < call.begun);
  return inOrder ? [] : [`not: ${what}, and only then ${then}`];
}
