// @ts-check
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { split } from '../answers.js';
import { Judge } from '../judge.js';
import { inPlace } from '../place.js';
import { figures } from '../report.js';
import { noStrace, predictable, Trace } from '../trace.js';
import { plainUpload } from '../upload.js';

const FILES =
  'openat,statx,?stat,?lstat,?newfstatat,pread64,pwrite64,pwritev,write,writev,ftruncate,fdatasync,fsync,' +
  '?link,linkat,?rename,renameat,renameat2,?unlink,unlinkat,?chmod,fchmodat,close';
const SOCKETS = 'sendto,sendmsg,read,recvfrom,recvmsg';

const CHUNK_BYTES = 10_000;

/**
 * Finds what a power cut would show, without one. In the log of system calls of some uploads to two servers, bytes and
 * directory entries must be durable before the statement that makes them count is sent, its reply must come before the
 * response, and parts may be removed only after their rows. An announced chunk must be durable before the response, and
 * its fence is checked in between. @param {import('../report.js').Options} options
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
  const servers = [
    await place.startServer(predictable(`${seed}-other`)),
    await place.startServer(predictable(seed)),
  ];
  const pids = servers.map(({ pid }) => pid);
  const args = ['-s', '3000', '-e', `trace=${FILES},${SOCKETS}`];
  const trace = await Trace.attach(pids, args, join(place.root, 'order.log'));
  const isAnnouncing = await announces(place.checkout);
  const there = /** @type {import('../server.js').Server} */ (servers[0]);
  const drive = new Drive(seed, place.target, there, isAnnouncing);
  /** @type {import('../oracles.js').Violation[]} */
  const violations = [];
  await drive.all().catch((error) => {
    violations.push({ kind: 'refused', what: `after ${drive.steps.length} answers: ${error}` });
  });
  const owners = await threadsOf(pids);
  const calls = await trace.detach();
  for (const call of calls) call.process = owners.get(call.thread) ?? 0;
  const answers = split(calls);
  const judge = new Judge(place.dataDir, isAnnouncing);
  for (const [index, answer] of answers.entries()) {
    const step = drive.steps[index];
    for (const what of step ? judge.faults(answer, step) : [])
      violations.push({ kind: 'wrong', what: `answer ${index + 1}, ${step?.kind}: ${what}` });
  }
  if (answers.length !== drive.steps.length)
    violations.push({ kind: 'wrong', what: `${answers.length} answers instead of ${drive.steps.length}` });
  return { seed, calls: calls.length, answers: answers.length, ...figures(drive.uploads, violations) };
}

/** Whether announcing is on: one line of the module turns it off. @param {string} checkout */
async function announces(checkout) {
  const module = await readFile(join(checkout, 'dist/src/media/uploads/uploads.module.js'), 'utf8');
  return module.includes('useClass: AnnouncingUploadStore');
}

/** The process of each thread. @param {readonly number[]} pids */
async function threadsOf(pids) {
  /** @type {Map<number, number>} */
  const owners = new Map();
  for (const pid of pids)
    for (const thread of await readdir(`/proc/${pid}/task`)) owners.set(Number(thread), pid);
  return owners;
}

/**
 * @typedef {readonly [start: number, end: number]} Range
 * @typedef {'first' | 'next' | 'repeat' | 'new part' | 'elsewhere' | 'last' | 'completion' | 'repetition'
 *   | 'cancellation'} Kind
 * @typedef {{ kind: Kind, status: number, writes: readonly Range[] }} Step with the bytes of the upload that it writes
 */

/** Sends every kind of request, one after another. */
class Drive {
  /**
   * @param {string} seed @param {import('../http.js').Target} here @param {import('../http.js').Target} there
   * @param {boolean} isAnnouncing
   */
  constructor(seed, here, there, isAnnouncing) {
    this.isAnnouncing = isAnnouncing;
    this.uploads = [7.5, 3, 3].map((chunks, index) => uploadOf(`${seed}-${index}.txt`, chunks * CHUNK_BYTES));
    this.here = here;
    this.there = { url: there.url, token: there.token };
    /** @type {Step[]} those that were answered */
    this.steps = [];
    /** @type {Range[]} the chunk that is announced, if one is */
    this.tail = [];
  }

  async all() {
    const [many, one, cancelled] = this.uploads;
    if (!many || !one || !cancelled) return;
    await this.manyParts(many);
    await this.append('first', one);
    await this.append('next', one);
    await this.append('last', one);
    await this.complete(one);
    await this.append('first', cancelled);
    await this.append('next', cancelled);
    await cancelled.cancel(this.here);
    this.steps.push({ kind: 'cancellation', status: 204, writes: [] });
  }

  /** Two servers, retries and overlaps. @param {import('../upload.js').Upload} upload */
  async manyParts(upload) {
    await this.append('first', upload);
    await this.append('next', upload);
    // With its id in the query it skips the fast path, and goes through Express and Nest.
    upload.raw = true;
    await this.append('next', upload);
    upload.offset -= CHUNK_BYTES;
    await this.append('repeat', upload);
    upload.offset -= CHUNK_BYTES / 2;
    await this.append('next', upload);
    upload.raw = false;
    await this.append('next', upload);
    await this.append('elsewhere', upload, this.there);
    await this.append('new part', upload);
    await this.append('last', upload);
    await this.complete(upload);
  }

  /** @param {Kind} kind @param {import('../upload.js').Upload} upload */
  async append(kind, upload, target = this.here) {
    const start = upload.acked;
    await upload.append(target);
    const written = /** @type {Range} */ ([start, upload.acked]);
    const adopted = kind === 'elsewhere' ? this.tail : [];
    const writes = kind === 'repeat' ? [] : [...adopted, written];
    this.steps.push({ kind, status: 201, writes });
    this.tail = kind === 'next' && this.isAnnouncing ? [written] : [];
  }

  /** @param {import('../upload.js').Upload} upload */
  async complete(upload) {
    await upload.complete(this.here);
    this.steps.push({ kind: 'completion', status: 201, writes: [] });
    await upload.complete(this.here);
    this.steps.push({ kind: 'repetition', status: 200, writes: [] });
  }
}

/** @param {string} name @param {number} total */
function uploadOf(name, total) {
  const upload = plainUpload(name, total);
  upload.chunkBytes = CHUNK_BYTES;
  return upload;
}
