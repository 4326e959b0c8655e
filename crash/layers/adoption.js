// @ts-check
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { figures } from '../report.js';
import { partNames } from '../seeded-ids.js';
import { noStrace, predictable, Trace } from '../trace.js';
import { plainUpload } from '../upload.js';
import { Wire } from '../wire.js';
import { lastLook } from './kill.js';
import { chosen, CHANGING, countsOf, killHeldUp, untilStruck, HELD_UP_MS } from './syscalls.js';

const CHUNK_BYTES = 10_000;
const GONE_MS = 1000;

/**
 * Before or after a system call; or before a statement reaches Postgres, or after it was answered.
 * @typedef {{ name: string, k: number, after: boolean }} Point
 */

/**
 * A server announces a chunk, responds and is killed. The next one adopts the tail, and is killed at every file call
 * and statement of the adoption. The chunk must count all the same. @param {import('../report.js').Options} options
 */
export async function* adoption(options) {
  const skipped = noStrace();
  if (skipped) {
    yield { layer: 'adoption', skipped };
    return;
  }
  yield* inPlace(options.checkout, async function* (place) {
    const points = await pointsOf(place, `${options.seed}-adoption-dry`);
    for (const [run, point] of chosen(points, options).entries()) {
      const adopting = new Adopting(place, `${options.seed}-adoption-${run}`);
      yield { layer: 'adoption', run, ...(await adopting.killedAt(point, options.seconds)) };
    }
    const violations = await lastLook(place, []);
    yield { layer: 'adoption', last: true, points: points.length, ...figures([], violations) };
  });
}

/**
 * Finds the calls and statements of an adoption, in a run without faults.
 * @param {import('../place.js').Place} place @param {string} seed @returns {Promise<Point[]>}
 */
async function pointsOf(place, seed) {
  const adopting = new Adopting(place, seed);
  const { server, wire } = await adopting.prepare();
  let statements = 0;
  wire.decide = ({ kind }) => {
    if (kind !== 'other') statements++;
    return 'pass';
  };
  const trace = await Trace.attach(server.pid, adopting.watched(), join(place.root, 'dry.log'));
  await adopting.upload.ask(place.target);
  const calls = await trace.detach();
  await wire.close();
  const files = countsOf(calls).flatMap(({ name, k }) =>
    (CHANGING.test(name) ? [false, true] : [false]).map((after) => ({ name, k, after })),
  );
  const sent = Array.from({ length: statements }, (_, index) =>
    [false, true].map((after) => ({ name: 'statement', k: index + 1, after })),
  );
  return [...sent.flat(), ...files];
}

/** An upload with a tail whose server was killed. */
class Adopting {
  /** @param {import('../place.js').Place} place @param {string} seed */
  constructor(place, seed) {
    this.place = place;
    this.seed = seed;
    this.upload = plainUpload(`${seed}.txt`, 4 * CHUNK_BYTES);
    this.upload.chunkBytes = CHUNK_BYTES;
  }

  /** The server that adopts the tail, and its wire. */
  async prepare() {
    const { place, upload, seed } = this;
    await place.killServers();
    const first = await place.startServer(predictable(`${seed}-first`));
    await upload.append(place.target);
    await upload.append(place.target);
    await first.kill();
    const wire = await Wire.open(place);
    const server = await place.startServer({ ...predictable(seed), ...wire.settings });
    return { server, wire };
  }

  /** Its parts, old and new. */
  watched() {
    const names = [`${this.seed}-first`, this.seed].flatMap((seed) => partNames(seed, this.upload.id ?? ''));
    const paths = ['', ...names].map((name) => join(this.place.dataDir, 'uploads', name).replace(/\/$/, ''));
    return ['-e', 'trace=%file,%desc', ...paths.flatMap((path) => ['-P', path])];
  }

  /** @param {Point} point @param {number} seconds */
  async killedAt(point, seconds) {
    const { place, seed, upload } = this;
    const { server, wire } = await this.prepare();
    const asked = () => upload.ask(place.target).catch(() => undefined);
    if (point.name === 'statement') {
      killAtStatement(wire, server, point);
      await asked();
    } else await this.killAtCall(server, point, asked);
    await Promise.race([server.exit, sleep(GONE_MS)]);
    const kills = server.running ? 0 : 1;
    await server.kill();
    const violations = await inspect(place, [upload]);
    if (!kills) violations.push({ kind: 'stuck', what: 'the call to be killed at did not come' });
    await place.startServer();
    await upload.ask(place.target);
    violations.push(...(await inspect(place, [upload])));
    await upload.run(place.target, Date.now() + seconds * 1000);
    violations.push(...(await inspect(place, [upload])));
    await wire.close();
    return {
      seed,
      at: `${point.after ? 'after ' : ''}${point.name} ${point.k}`,
      kills,
      ...figures([upload], violations),
    };
  }

  /** @param {import('../server.js').Server} server @param {Point} point @param {() => Promise<unknown>} asked */
  async killAtCall(server, { name, k, after }, asked) {
    const fate = after ? `delay_exit=${HELD_UP_MS * 1000}` : 'signal=KILL';
    const args = [...this.watched(), '-e', `inject=${name}:${fate}:when=${k}`];
    const trace = await Trace.attach(server.pid, args, join(this.place.root, 'kill.log'));
    const answered = asked();
    if (after)
      await Promise.race([answered, untilStruck(trace, server).then(() => killHeldUp(trace, server))]);
    await answered;
    // strace must not detach from a server that is about to end.
    await Promise.race([server.exit, sleep(GONE_MS)]);
    await trace.detach();
  }
}

/**
 * Other statements are none of the adoption's: new connections and jobs have theirs.
 * @param {Wire} wire @param {import('../server.js').Server} server @param {Point} point
 */
function killAtStatement(wire, server, { k, after }) {
  let statements = 0;
  wire.onAnswer = () => void server.kill();
  wire.decide = ({ kind }) => {
    if (kind === 'other' || ++statements !== k) return 'pass';
    if (after) return 'after';
    void server.kill();
    return 'before';
  };
}
