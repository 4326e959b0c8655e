// @ts-check
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { Random } from '../random.js';
import { figures, seldomStruck } from '../report.js';
import { Wire } from '../wire.js';
import { lastLook } from './kill.js';
import { driven } from './syscalls.js';

const FATES = /** @type {const} */ (['before', 'after', 'late']);

/**
 * Cuts the connection to Postgres at every statement of some uploads: before Postgres gets it, while it is in transit,
 * or after it was answered. The outcome is unknown, so every part must stay until a retry finds out. The chunks of one
 * upload go to two servers in turn. @param {import('../report.js').Options} options
 */
export async function* outcomes({ checkout, seed, runs, seconds, short }) {
  yield* inPlace(checkout, async function* (place) {
    const cutting = await Cutting.start(place, seconds);
    const { statements } = await cutting.run(`${seed}-dry`, Infinity, 'before');
    // Retries and new connections add statements.
    const count = statements + 8;
    const points = Array.from({ length: count }, (_, index) =>
      FATES.map((fate) => ({ at: index + 1, fate })),
    ).flat();
    const wanted = runs ?? points.length;
    const step = Math.max(1, points.length / (short ? 12 : wanted));
    let [run, cuts] = [0, 0];
    for (let point = 0; point < points.length; point += step, run++) {
      const { at, fate } = /** @type {(typeof points)[number]} */ (points[Math.floor(point)]);
      const result = await cutting.run(`${seed}-outcomes-${run}`, at, fate);
      cuts += result.cuts;
      yield { layer: 'outcomes', run, ...result };
    }
    const violations = [...(await lastLook(place, [])), ...seldomStruck(run, cuts)];
    yield { layer: 'outcomes', last: true, points: points.length, ...figures([], violations) };
    await cutting.wire.close();
  });
}

class Cutting {
  /** @param {import('../place.js').Place} place @param {number} seconds */
  static async start(place, seconds) {
    const wire = await Wire.open(place);
    const other = await place.startServer();
    const server = await place.startServer(wire.settings);
    return new Cutting(place, wire, [server, other], seconds);
  }

  /**
   * @param {import('../place.js').Place} place @param {Wire} wire of the first server
   * @param {readonly import('../server.js').Server[]} servers @param {number} seconds
   */
  constructor(place, wire, servers, seconds) {
    this.place = place;
    this.wire = wire;
    this.servers = servers;
    this.seconds = seconds;
  }

  /**
   * @param {string} seed @param {number} at which statement of the first server @param {import('../wire.js').Fate} fate
   */
  async run(seed, at, fate) {
    const { place, wire } = this;
    wire.random = new Random(seed);
    /** @type {{ kind: string, names: readonly string[] }} */
    let cut = { kind: 'none', names: [] };
    let statements = 0;
    wire.decide = (statement) => {
      if (++statements !== at) return 'pass';
      cut = statement;
      return fate;
    };
    /** @type {import('../oracles.js').Violation[]} */
    const violations = [];
    const prepare = (/** @type {import('../upload.js').Upload} */ upload) => {
      upload.key = upload.name;
      upload.onFailure = async () => {
        const gone = cut.names.filter((name) => !existsSync(join(place.dataDir, 'uploads', name)));
        for (const name of gone)
          violations.push({ kind: 'lost', what: `${name} went while its outcome was unknown` });
        cut = { ...cut, names: [] };
      };
    };
    const load = driven(place, seed, this.seconds, { target: this.inTurn(), prepare });
    await load.done;
    wire.decide = () => 'pass';
    await Promise.all(wire.late);
    violations.push(...(await inspect(place, load.uploads)), ...(await this.doubled(load.uploads)));
    const figure = figures(load.uploads, violations);
    const cuts = cut.kind === 'none' ? 0 : 1;
    return { seed, at: `${fate} statement ${at}: ${cut.kind}`, statements, cuts, ...figure };
  }

  /** Three requests in four go to the server with the wire. */
  inTurn() {
    const { servers } = this;
    let requests = 0;
    return {
      token: servers[0]?.token ?? '',
      get url() {
        return servers[++requests % 4 === 0 ? 1 : 0]?.url ?? '';
      },
    };
  }

  /**
   * With an Idempotency-Key, a first chunk opens only one upload, however often it is sent.
   * @param {readonly import('../upload.js').Upload[]} uploads @returns {Promise<import('../oracles.js').Violation[]>}
   */
  async doubled(uploads) {
    const rows = await this.place.postgres.query(
      'SELECT file_name AS name, count(*)::int AS count FROM upload_session WHERE file_name = ANY($1) GROUP BY 1',
      [uploads.map(({ name }) => name)],
    );
    return rows
      .filter(({ count }) => count > 1)
      .map(({ name, count }) => ({ kind: 'doubled', what: `${name} was opened ${count} times` }));
  }
}
