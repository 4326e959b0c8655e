// @ts-check
// Delivering a backlog of events, and uploads while receivers fail.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { paired, stopAll } from '../rounds.js';
import { peakMb, postgresOf } from '../servers.js';

/** @typedef {import('../servers.js').Target} Target */
/** @typedef {import('../scenarios.js').Row} Row */
/** @typedef {import('../scenarios.js').Tools} Tools */
/** @typedef {import('../scenarios.js').Outcome} Outcome */
/** @typedef {import('../main.js').Compared} Compared */

const EVENTS = 10_000;
const UPLOADS = { uploads: 8, chunks: 64 };

/** How receivers respond. @type {Record<string, (response: import('node:http').ServerResponse) => void>} */
const RECEIVERS = {
  'accepts it': (response) => response.writeHead(204).end(),
  'is gone': () => undefined,
  hangs: () => undefined,
  'answers 500': (response) => response.writeHead(500).end(),
  redirects: (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
};

/** @param {Tools} tools @returns {Promise<Outcome>} */
export async function webhooks(tools) {
  const waiting = await backlog(tools);
  const { rows, ratios } = await besideReceivers(tools);
  return { rows: [waiting, ...rows], ratios };
}

/** Time from the commit of all events to the delivery of the last one. @param {Tools} tools @returns {Promise<Row>} */
async function backlog({ starters }) {
  const receiver = await startReceiver('accepts it');
  const target = await starters.mediadock(receiver.settings);
  try {
    const all = receiver.taken(EVENTS);
    const postgres = await postgresOf(target);
    await postgres.query(
      `INSERT INTO upload_session (id, owner_id, total, "offset", part, expires_at, expiry_slides)
       SELECT md5(i::text), 'backlog', 2, 1, i, now() + interval '1 day', false FROM generate_series(1, ${EVENTS}) i`,
    );
    await postgres.end();
    const at = performance.now();
    await all;
    const seconds = (performance.now() - at) / 1000;
    return {
      receiver: `${EVENTS} events waiting`,
      'events/s': Math.round(EVENTS / seconds),
      'peak MB': await peakMb(target.pid),
    };
  } finally {
    await target.stop();
    receiver.stop();
  }
}

/** Uploads to servers with a receiver each, and to one without, in turn. @param {Tools} tools @returns {Promise<Outcome>} */
async function besideReceivers({ starters, compare, rounds }) {
  const manners = Object.keys(RECEIVERS);
  const receivers = await Promise.all(manners.map(startReceiver));
  const targets = [await starters.mediadock()];
  for (const { settings } of receivers) targets.push(await starters.mediadock(settings));
  const compared = await compare(targets, rounds, UPLOADS);
  await stopAll(targets);
  for (const receiver of receivers) receiver.stop();
  const [alone, good, ...bad] = /** @type {[Compared, Compared, ...Compared[]]} */ (compared);
  const [, ...badManners] = manners;
  return {
    rows: compared.map(({ row }, i) => ({ receiver: manners[i - 1] ?? 'none', ...row })),
    ratios: {
      'p99 of chunks, receiver accepts it / no receiver': paired(good, alone, 'p99 ms'),
      ...Object.fromEntries(
        bad.map((one, i) => [
          `p99 of chunks, receiver ${badManners[i]} / accepts it`,
          paired(one, good, 'p99 ms'),
        ]),
      ),
    },
  };
}

/** @param {string} manner */
async function startReceiver(manner) {
  let count = 0;
  let most = Infinity;
  let finish = () => undefined;
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => {
      RECEIVERS[manner]?.(response);
      if (++count >= most) finish();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  if (manner === 'is gone') server.close();
  return {
    settings: {
      WEBHOOK_URL: `http://127.0.0.1:${port}/`,
      WEBHOOK_SECRET: 'the receiver of the benchmark ignores it',
      WEBHOOK_ALLOW_PRIVATE: 'true',
    },
    /** @param {number} events */
    taken: (events) =>
      new Promise((resolve) => {
        most = events;
        finish = () => void resolve(undefined);
      }),
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
