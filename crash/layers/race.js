// @ts-check
import { readFile, stat } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { send, sendChunk, sendComplete } from '../http.js';
import { inPlace } from '../place.js';
import { contentOf, digest, Random } from '../random.js';
import { figures } from '../report.js';
import { noStrace, Trace } from '../trace.js';
import { lastLook } from './kill.js';

const CHUNKS = 6;
const RIVALS = 16;
const COMPLETIONS = 8;

/** @typedef {import('../http.js').Answer & { variant: number }} RivalAnswer */

/** Long enough for the other server to take over an upload while one of its chunks is being written. */
const SLOW_WRITES = ['-e', 'trace=pwrite64', '-e', 'inject=pwrite64:delay_enter=20000'];

/**
 * Two servers with one database and one directory get conflicting requests; at the end, on a disk that is slow for one
 * of them. @param {import('../report.js').Options} options
 */
export async function* race({ checkout, seed, runs = 10, short }) {
  yield* inPlace(checkout, async function* (place) {
    const servers = [await place.startServer(), await place.startServer()];
    const count = short ? 12 : 100;
    for (let run = 0; run < runs; run++)
      yield { layer: 'race', run, ...(await raceOnce(place, servers, `${seed}-race-${run}`, count, 3)) };
    const skipped = noStrace();
    if (skipped) yield { layer: 'race', slow: true, skipped };
    else {
      const pid = /** @type {import('../server.js').Server} */ (servers[0]).pid;
      const trace = await Trace.attach(pid, SLOW_WRITES, join(place.root, 'race.log'));
      yield {
        layer: 'race',
        slow: true,
        ...(await raceOnce(place, servers, `${seed}-race-slow`, count / 2, 1)),
      };
      await trace.detach();
    }
    yield { layer: 'race', last: true, ...countsOf(await lastLook(place, [])) };
  });
}

/**
 * @param {import('../place.js').Place} place @param {readonly import('../server.js').Server[]} servers
 * @param {string} seed @param {number} count of uploads @param {number} atOnce
 */
async function raceOnce(place, servers, seed, count, atOnce) {
  const start = performance.now();
  const racing = new Racing(servers, new Random(seed));
  await racing.sessions(count, atOnce);
  await racing.compareWithDisk(place);
  const seconds = Math.round((performance.now() - start) / 100) / 10;
  return { seed, ...racing.counts, ...countsOf(racing.violations), seconds };
}

/** @param {import('../oracles.js').Violation[]} all */
function countsOf(all) {
  const { lost, wrong, doubled, orphans, refused, violations } = figures([], all);
  return { lost, wrong, doubled, orphans, refused, violations };
}

class Racing {
  /** @param {readonly import('../server.js').Server[]} servers @param {Random} random */
  constructor(servers, random) {
    this.servers = servers;
    this.random = random;
    this.agent = new Agent({ keepAlive: true, maxSockets: 24 });
    this.counts = {
      requests: 0,
      sessions: 0,
      appends: 0,
      replays: 0,
      conflicts: 0,
      waits: 0,
      media: 0,
      cancelled: 0,
    };
    /** @type {import('../oracles.js').Violation[]} */
    this.violations = [];
    /** @type {Map<string, Buffer>} what each completed upload must hold */
    this.finished = new Map();
  }

  /** @param {number} count @param {number} atOnce */
  async sessions(count, atOnce) {
    const names = Array.from({ length: count }, (_, index) => `${this.random.seed}-${index}.pdf`);
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        for (let name = names.shift(); name && this.violations.length === 0; name = names.shift())
          await this.session(name);
      }),
    );
    this.agent.destroy();
  }

  /** An upload of which several clients send each chunk at once, with two different contents. @param {string} name */
  async session(name) {
    const random = new Random(name);
    // Large chunks use memory that the server reuses.
    const size = random.next() < 0.1 ? random.between(66_000, 200_000) : random.between(20, 4000);
    const total = CHUNKS * size;
    const variants = [contentOf(name, total), contentOf(`${name} of another`, total)];
    // The rules for uploads on one server differ from those on two.
    const servers = random.next() < 0.4 ? [random.pick(this.servers)] : this.servers;
    /** @type {string | undefined} */
    let id;
    /** @type {Buffer[]} */
    const winners = [];
    while (winners.length < CHUNKS) {
      const start = winners.length * size;
      const rivals = Array.from({ length: id ? RIVALS : 1 }, () => (id ? random.between(0, 1) : 0));
      const answers = await Promise.all(
        rivals.map(async (variant) => {
          const bytes = /** @type {Buffer} */ (variants[variant]).subarray(start, start + size);
          const raw = random.next() < 0.7;
          return {
            variant,
            ...(await this.ask(
              (target) => sendChunk(target, { name, bytes, start, total, id, raw, agent: this.agent }),
              servers,
            )),
          };
        }),
      );
      const winner = this.judge(`${name} at ${start}`, answers);
      if (this.violations.length > 0) return;
      if (winner === undefined) continue;
      id = winner.body.upload_id;
      winners.push(/** @type {Buffer} */ (variants[winner.variant]).subarray(start, start + size));
    }
    await this.finish(name, id ?? '', Buffer.concat(winners), random.next() < 0.2);
  }

  /** @param {(target: import('../http.js').Target) => Promise<import('../http.js').Answer>} request */
  async ask(request, servers = this.servers) {
    this.counts.requests++;
    return await request(this.random.pick(servers));
  }

  /**
   * One request appends; retries of the same bytes are detected, and other bytes are refused. All responses may be
   * those of a retry, if the upload was taken over from the server that wrote the bytes. @param {string} where @param
   * {readonly RivalAnswer[]} answers */
  judge(where, answers) {
    const accepted = answers.filter(({ status }) => status === 201);
    const appended = accepted.filter(({ headers }) => !('upload-replayed' in headers));
    const conflicts = answers.filter(({ status }) => status === 409);
    this.counts.appends += appended.length;
    this.counts.replays += accepted.length - appended.length;
    this.counts.conflicts += conflicts.length;
    this.counts.waits += answers.filter(({ status }) => status === 503).length;
    const winner = appended[0] ?? accepted[0];
    const odd = answers.filter(({ status }) => ![201, 409, 503].includes(status));
    for (const { status, body } of odd)
      this.violate('refused', `${where}: ${status} ${JSON.stringify(body)}`);
    if (appended.length > 1) this.violate('doubled', `${where}: ${appended.length} appended`);
    if (!winner && conflicts.length > 0) this.violate('lost', `${where}: nobody appended`);
    if (accepted.some(({ variant }) => variant !== winner?.variant))
      this.violate('wrong', `${where}: two contents accepted`);
    if (conflicts.some(({ variant }) => variant === winner?.variant))
      this.violate('refused', `${where}: a retry refused`);
    return winner;
  }

  /** @param {string} name @param {string} id @param {Buffer} content @param {boolean} cancels */
  async finish(name, id, content, cancels) {
    const md5 = digest('md5', content);
    if (!cancels) await this.ask((target) => sendComplete(target, id, '0'.repeat(32), this.agent));
    const completing = Array.from({ length: COMPLETIONS }, () =>
      this.ask((target) => sendComplete(target, id, md5, this.agent)),
    );
    const cancelling = cancels ? [sleep(this.random.between(0, 40)).then(() => this.cancel(id))] : [];
    const [completions, cancellations] = [await Promise.all(completing), await Promise.all(cancelling)];
    const made = completions.filter(({ status }) => status === 201);
    const media = new Set(completions.filter(({ status }) => status < 300).map(({ body }) => body.id));
    const cancelled = cancellations.some(({ status }) => status === 204);
    this.counts.sessions++;
    this.counts.media += media.size;
    this.counts.cancelled += cancelled ? 1 : 0;
    if (made.length > 1 || media.size > 1)
      this.violate('doubled', `${name}: ${made.length} made, ${media.size} media`);
    if (cancelled && media.size > 0) this.violate('wrong', `${name}: cancelled and completed`);
    if (!cancelled && made.length === 0)
      this.violate('lost', `${name}: ${completions.map(({ status }) => status).join()}`);
    const odd = completions.filter(
      ({ status }) => ![200, 201, 503, ...(cancels ? [410, 404] : [])].includes(status),
    );
    for (const { status, body } of odd) this.violate('refused', `${name}: ${status} ${JSON.stringify(body)}`);
    if (!cancelled) this.finished.set(id, content);
  }

  /** @param {string} id */
  async cancel(id) {
    const path = `/api/v2/media/upload/${id}/`;
    return await this.ask((target) => send(target, 'DELETE', path, { agent: this.agent }));
  }

  /** @param {import('../place.js').Place} place */
  async compareWithDisk({ postgres, dataDir }) {
    const rows = await postgres.query('SELECT upload_id, key, sha256 FROM media WHERE upload_id = ANY($1)', [
      [...this.finished.keys()],
    ]);
    for (const [id, content] of this.finished) {
      const [row] = rows.filter(({ upload_id }) => upload_id === id);
      const path = join(dataDir, 'files', row?.['key'] ?? '');
      const right =
        (await stat(path)).isFile() &&
        content.equals(await readFile(path)) &&
        digest('sha256', content) === row?.['sha256'];
      if (!right) this.violate('wrong', `upload ${id} is not what was accepted`);
    }
  }

  /** @param {import('../oracles.js').Violation['kind']} kind @param {string} what */
  violate(kind, what) {
    this.violations.push({ kind, what });
  }
}
