// @ts-check
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { Random } from '../random.js';
import { figures } from '../report.js';
import { someUploads } from '../upload.js';
import { lastLook } from './kill.js';

const UPLOADS = 100;
const STOP_MS = 10_000;

/**
 * SIGTERM during 100 uploads. A new server is started afterwards, or in other runs before.
 * @param {import('../report.js').Options} options
 */
export async function* stop({ checkout, seed, runs = 6, seconds, short }) {
  yield* inPlace(checkout, async function* (place) {
    for (let run = 0; run < runs; run++) {
      yield {
        layer: 'stop',
        run,
        ...(await stopRun(place, `${seed}-stop-${run}`, seconds, run % 2 === 1, short)),
      };
    }
  });
}

/**
 * @param {import('../place.js').Place} place @param {string} seed @param {number} seconds @param {boolean} standby
 * @param {boolean} short
 */
async function stopRun(place, seed, seconds, standby, short) {
  const random = new Random(seed);
  const server = await place.startServer();
  const uploads = someUploads(seed, UPLOADS, random, short ? 100_000 : 800_000);
  const load = new Load(uploads, place.target, { concurrency: UPLOADS, seconds });
  await load.afterAcks(random.between(20, 150));
  if (standby) await place.startServer();
  const { code, milliseconds } = await server.stop();
  const violations = await inspect(place, uploads);
  if (!standby) await place.startServer();
  await load.done;
  if (code !== 0) violations.push({ kind: 'refused', what: `the exit code was ${code}` });
  if (milliseconds > STOP_MS) violations.push({ kind: 'stuck', what: `stopping took ${milliseconds} ms` });
  violations.push(...(await lastLook(place, uploads)));
  await place.killServers();
  const broken = uploads
    .flatMap(({ failures }) => failures)
    .filter(({ status, type }) => status === 0 && /ECONNRESET|broke off/.test(type));
  return {
    seed,
    standby,
    exit_code: code,
    stop_ms: milliseconds,
    broken_requests: broken.length,
    ...figures(uploads, violations),
  };
}
