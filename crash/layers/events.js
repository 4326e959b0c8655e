// @ts-check
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnGuarded } from '../../cluster/guard.js';
import { freePort } from '../../scripts/free-port.js';
import { send } from '../http.js';
import { Load } from '../load.js';
import { inspect } from '../oracles.js';
import { inPlace } from '../place.js';
import { Random } from '../random.js';
import { figures } from '../report.js';
import { someUploads } from '../upload.js';

/** @typedef {{ id: string, type: string, upload: string }} Event */
/** @typedef {import('../oracles.js').Violation} Violation */
/** @typedef {import('../place.js').Place} Place */

const PATIENCE_MS = 120_000;

/**
 * kill -9 of the server, the receiver of its webhooks or Postgres at random moments, until all uploads are complete.
 * Then every event must have been delivered. @param {import('../report.js').Options} options */
export async function* events({ checkout, seed, runs = 3, seconds, short }) {
  for (let run = 0; run < runs; run++) {
    yield* inPlace(checkout, async function* (place) {
      yield { layer: 'events', run, ...(await eventsRun(place, `${seed}-events-${run}`, seconds, short)) };
    });
  }
}

/** @param {Place} place @param {string} seed @param {number} seconds @param {boolean} short */
async function eventsRun(place, seed, seconds, short) {
  const random = new Random(seed);
  const receiver = new Receiver(join(place.root, 'events'), await freePort());
  try {
    await receiver.start();
    await place.startServer(receiver.settings);
    const uploads = someUploads(seed, short ? 20 : 200, random, 300_000);
    uploads.forEach((upload, i) => (upload.cancels = i % 10 === 9));
    const load = new Load(uploads, place.target, { concurrency: 8, seconds });
    let kills = 0;
    while (!load.finished && kills < (short ? 6 : Infinity)) {
      await load.afterAcks(random.between(1, short ? 10 : 30));
      await sleep(random.between(0, 12));
      if (load.finished) break;
      await strike(place, receiver, random.pick(['server', 'receiver', 'postgres']));
      kills++;
    }
    await load.done;
    const violations = [...(await inspect(place, uploads)), ...(await deleteSome(place, uploads))];
    violations.push(...(await untilDelivered(place)), ...(await compare(place, await receiver.taken())));
    return { seed, kills, events: (await receiver.taken()).length, ...figures(uploads, violations) };
  } finally {
    await receiver.kill();
  }
}

class Receiver {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  child;

  /** @param {string} file @param {number} port */
  constructor(file, port) {
    this.file = file;
    this.port = port;
  }

  get settings() {
    return {
      WEBHOOK_URL: `http://127.0.0.1:${this.port}/`,
      WEBHOOK_SECRET: 'the receiver of the harness does not look',
      WEBHOOK_ALLOW_PRIVATE: 'true',
    };
  }

  async start() {
    const program = join(import.meta.dirname, '../receiver.js');
    this.child = spawnGuarded(process.execPath, [program, String(this.port), this.file], {
      stdio: ['inherit', 'inherit', 'inherit'],
    });
    await once(this.child, 'spawn');
  }

  async kill() {
    if (!this.child || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  /** Events in the order of their delivery. The last line may be incomplete. @returns {Promise<Event[]>} */
  async taken() {
    const lines = (await readFile(this.file, 'utf8').catch(() => '')).split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }
}

/** @param {Place} place @param {Receiver} receiver @param {'server' | 'receiver' | 'postgres'} victim */
async function strike(place, receiver, victim) {
  if (victim === 'receiver') {
    await receiver.kill();
    await receiver.start();
  } else if (victim === 'postgres') {
    await place.postgres.kill();
    await place.postgres.start();
  } else {
    await place.killServers();
    await place.startServer(receiver.settings);
  }
}

/** @param {Place} place @param {readonly import('../upload.js').Upload[]} uploads @returns {Promise<Violation[]>} */
async function deleteSome({ target }, uploads) {
  /** @type {Violation[]} */
  const found = [];
  for (const { mediaId } of uploads.filter((_, i) => i % 5 === 0)) {
    if (mediaId === undefined) continue;
    const { status } = await send(target, 'DELETE', `/api/v2/media/${mediaId}/`);
    if (status !== 204) found.push({ kind: 'refused', what: `DELETE was answered by ${status}` });
  }
  return found;
}

/** Makes all retries due at once. @param {Place} place @returns {Promise<Violation[]>} */
async function untilDelivered({ postgres }) {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(500)) {
    const [{ waiting } = { waiting: 0 }] = await postgres.query(
      `SELECT count(*)::integer AS waiting FROM delivery WHERE delivered_at IS NULL`,
    );
    if (waiting === 0) return [];
    await postgres.query(`UPDATE delivery SET due = now() WHERE due > now()`);
    await postgres.query(
      `UPDATE mediadock_jobs._private_jobs SET run_at = now() WHERE run_at > now() AND locked_at IS NULL`,
    );
    await postgres.query(`SELECT pg_notify('jobs:insert', '{"count":8}')`);
  }
  return [{ kind: 'stuck', what: `events are still waiting after ${PATIENCE_MS / 1000} s` }];
}

/**
 * Every event has its change, every change has its events, and all were delivered, those of one upload in order.
 * @param {Place} place @param {readonly Event[]} taken @returns {Promise<Violation[]>}
 */
async function compare({ postgres }, taken) {
  const recorded = await postgres.query(`SELECT id, type, upload_id AS upload FROM event ORDER BY position`);
  const changes = await postgres.query(
    `SELECT 'upload.created' AS type, id AS upload FROM upload_session
     UNION ALL SELECT 'upload.' || state, id FROM upload_session WHERE state NOT IN ('open', 'complete')
     UNION ALL SELECT 'media.created', upload_id FROM media`,
  );
  const known = new Set(recorded.map(({ id }) => id));
  const first = [...new Map(taken.map((event) => [event.id, event])).values()];
  return [
    ...missing(changes, recorded, 'was not recorded'),
    ...missing(recorded, taken, 'never came'),
    ...taken.filter(({ id }) => !known.has(id)).map(({ type }) => wrong(`${type} has no change`)),
    ...byUpload(recorded).flatMap(([upload, types]) => {
      const order = first.filter((event) => event.upload === upload).map(({ type }) => type);
      return order.join() === types.join() ? [] : [wrong(`${types.join()} came as ${order.join()}`)];
    }),
  ];
}

/** @param {readonly any[]} wanted @param {readonly any[]} there @param {string} fault @returns {Violation[]} */
function missing(wanted, there, fault) {
  const keys = new Set(there.map(({ type, upload }) => `${type} ${upload}`));
  return wanted
    .filter(({ type, upload }) => !keys.has(`${type} ${upload}`))
    .map(({ type, upload }) => ({ kind: 'lost', what: `${type} of ${upload} ${fault}` }));
}

/** @param {readonly any[]} all @returns {[string, string[]][]} */
function byUpload(all) {
  const types = new Map();
  for (const { type, upload } of all) types.set(upload, [...(types.get(upload) ?? []), type]);
  return [...types];
}

/** @param {string} what @returns {Violation} */
const wrong = (what) => ({ kind: 'wrong', what });
