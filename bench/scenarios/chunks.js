// @ts-check
// The cost of a chunk: compared with peers, with many rows in the table, and in system calls.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { paired, stopAll } from '../rounds.js';
import { postgresOf } from '../servers.js';

/** @typedef {import('../servers.js').Target} Target */
/** @typedef {import('../scenarios.js').Row} Row */
/** @typedef {import('../scenarios.js').Tools} Tools */
/** @typedef {import('../scenarios.js').Outcome} Outcome */
/** @typedef {import('../main.js').Compared} Compared */

/** @param {Tools} tools @param {{ uploads: number, chunks: number }} task @returns {Promise<Outcome>} */
export async function sideBySide({ starters, compare, rounds }, task) {
  const targets = [await starters.mediadock(), await starters.tus(), await starters.floor()];
  const compared = await compare(targets, rounds, task);
  await stopAll(targets);
  const [own, peer, least] = /** @type {[Compared, Compared, Compared]} */ (compared);
  return {
    rows: compared.map(({ row }) => row),
    ratios: {
      'p50 per chunk / @tus/server': paired(own, peer, 'p50 ms'),
      'p50 per chunk / synced floor': paired(own, least, 'p50 ms'),
      // Fairness: all uploads progress at the same pace.
      'p99 / time per chunk of fair sharing':
        (Number(own.row['p99 ms']) * Number(own.row['chunks/s'])) / (task.uploads * 1000),
      'chunks/s / @tus/server': paired(own, peer, 'chunks/s'),
      'server CPU per chunk / @tus/server': paired(own, peer, 'CPU ms/chunk'),
    },
  };
}

/** @param {Tools} tools @returns {Promise<Outcome>} */
export async function manySessions({ starters, compare, rounds }) {
  const counts = [1000, 100_000, 1_000_000];
  const targets = [];
  for (const count of counts) {
    const target = await starters.mediadock();
    await addSessions(target, count);
    targets.push(target);
  }
  const compared = await compare(targets, rounds, { uploads: 1, chunks: 128 });
  await stopAll(targets);
  const [few, , many] = /** @type {[Compared, Compared, Compared]} */ (compared);
  return {
    rows: compared.map(({ row }, i) => ({ sessions: counts[i] ?? 0, ...row })),
    ratios: { '1,000,000 / 1,000 sessions': paired(many, few, 'p50 ms') },
  };
}

/** @param {Target} target @param {number} count */
async function addSessions(target, count) {
  const client = await postgresOf(target);
  await client.query(
    // Offset equals total: open uploads with missing bytes would reserve more space than the disk has.
    `INSERT INTO upload_session (id, owner_id, total, "offset", part, expiry_slides, expires_at)
     SELECT md5(i::text), (i % 1000)::text, 1000000, 1000000, '', true, now() + interval '1 day'
     FROM generate_series((SELECT count(*) FROM upload_session), $1::bigint) i ON CONFLICT DO NOTHING`,
    [count],
  );
  await client.query('VACUUM ANALYZE upload_session');
  await client.end();
}

/**
 * Counts the system calls of the server and of its Postgres for one chunk.
 * @param {Tools} tools @returns {Promise<Outcome>}
 */
export async function costs({ starters, load }) {
  const chunks = 100;
  const target = await starters.mediadock();
  await load(target, { uploads: 1, chunks });
  const watched = [target.pid, ...(await postgresProcesses(target))].flatMap((pid) => ['-p', String(pid)]);
  const strace = spawn('strace', [
    '-f',
    '-y',
    '-e',
    'trace=pwrite64,fdatasync,fsync,write,writev',
    ...watched,
  ]);
  let log = '';
  strace.stderr.on('data', (text) => (log += text));
  while (!log.includes('attached')) await once(strace.stderr, 'data');
  await load(target, { uploads: 1, chunks });
  strace.kill('SIGINT');
  await once(strace, 'close');
  await target.stop();
  const calls = (/** @type {RegExp} */ pattern) =>
    log.split('\n').filter((line) => pattern.test(line)).length / chunks;
  const wal = calls(/f(data)?sync\(.*\/pg_wal\//);
  return {
    rows: [
      {
        'synced writes of the file': calls(/pwrite64\(.*\/uploads\//),
        'WAL syncs': wal,
        'other syncs': calls(/f(data)?sync\(/) - wal,
        'sends to Postgres': calls(/writev?\(\d+<(UNIX|socket)(?!.*"HTTP)/),
      },
    ],
    ratios: {},
  };
}

/** @param {Target} target @returns {Promise<number[]>} */
async function postgresProcesses(target) {
  const client = await postgresOf(target);
  const { rows } = await client.query(`SELECT pid FROM pg_stat_activity`);
  await client.end();
  return rows.map(({ pid }) => pid);
}
