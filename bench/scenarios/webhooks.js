// @ts-check
// Delivering a backlog of events, and uploads while receivers fail.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { median, percentile } from '../figures.js';
import { peakMb, postgresOf } from '../servers.js';

/** @typedef {import('../servers.js').Target} Target */
/** @typedef {import('../scenarios.js').Row} Row */
/** @typedef {import('../scenarios.js').Tools} Tools */
/** @typedef {import('../scenarios.js').Outcome} Outcome */

const EVENTS = 10_000;
const UPLOADS = { uploads: 8, chunks: 8 };

/** How receivers respond. @type {Record<string, (response: import('node:http').ServerResponse) => void>} */
const RECEIVERS = {
  'accepts it': (response) => response.writeHead(204).end(),
  hangs: () => undefined,
  'answers 500': (response) => response.writeHead(500).end(),
  redirects: (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
};

/** @param {Tools} tools @returns {Promise<Outcome>} */
export async function webhooks(tools) {
  const rows = [await backlog(tools)];
  const alone = await beside(tools, undefined);
  rows.push(alone);
  for (const manner of Object.keys(RECEIVERS)) rows.push(await beside(tools, manner));
  const ratios = rows
    .slice(2)
    .map((row) => [
      `p99 of chunks, receiver ${row['receiver']} / no receiver`,
      Number(row['chunk p99 ms']) / Number(alone['chunk p99 ms']),
    ]);
  return { rows, ratios: Object.fromEntries(ratios) };
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

/** @param {Tools} tools @param {string | undefined} manner @returns {Promise<Row>} */
async function beside({ starters, load, rounds }, manner) {
  const receiver = manner === undefined ? undefined : await startReceiver(manner);
  const target = await starters.mediadock(receiver?.settings);
  const times = [];
  try {
    await load(target, UPLOADS);
    for (let round = 0; round < rounds; round++)
      times.push(percentile((await load(target, UPLOADS)).times, 0.99));
    return {
      receiver: manner ?? 'none',
      'chunk p99 ms': median(times),
      'peak MB': await peakMb(target.pid),
    };
  } finally {
    await target.stop();
    receiver?.stop();
  }
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
