// @ts-check
// `node bench/growth.js [--media 10000000] [--sessions 1000000] [--rounds 30] [--dir …]`: compares the time of requests
// with that many rows and with a thousand. Needs 15 GB. A directory given with --dir is kept for the next run.
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { median, table } from './figures.js';
import { cpuMs, mediadock, postgresCpuMs, postgresOf, tokenOf } from './servers.js';

/** @typedef {import('./servers.js').Target} Target */
/** @typedef {import('pg').Client} Postgres */

const run = promisify(execFile);
const SMALL = { media: 1000, sessions: 1000 };
const BATCH = 500_000;
const CHUNK_BYTES = 204_800;

const { values } = parseArgs({
  options: {
    media: { type: 'string', default: '10000000' },
    sessions: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '30' },
    dir: { type: 'string' },
  },
});
const rounds = Number(values.rounds);

/** The user who is measured, '1', has a thousand media in both databases. The rest belong to 100,000 other users. */
const MEDIA = `
  INSERT INTO media (upload_id, owner_id, key, type, title, mime, size, md5, sha256, thumbnail_key, thumbnail_size)
  SELECT md5('u' || i), CASE WHEN i < 1000 THEN '1' ELSE 'user-' || i % 100000 END, md5('k' || i),
         CASE WHEN i % 2 = 0 THEN 'image' ELSE 'doc' END,
         (ARRAY['Beach', 'Invoice', 'Holiday', 'Report', 'Cat', 'Meeting', 'Sunset', 'Contract'])[1 + i % 8] || ' ' || i || '.jpg',
         'image/jpeg', 100000, md5('m' || i), md5('s' || i) || md5('t' || i),
         CASE WHEN i % 2 = 0 THEN md5('n' || i) END, CASE WHEN i % 2 = 0 THEN 13000 END
  FROM generate_series($1::integer, $2::integer) i`;

/**
 * Created within a week. 90 % are complete, the others open or ended. Expired ones are cleaned up; none expires soon.
 */
const SESSIONS = `
  INSERT INTO upload_session (id, owner_id, state, total, "offset", part, expiry_slides, created_at, expires_at, media_id, cleaned_at)
  SELECT md5('u' || i), CASE WHEN i < 1000 THEN '1' ELSE 'user-' || i % 100000 END, state, 100000, 100000, 'none', true,
         created_at, expires_at, CASE WHEN state = 'complete' THEN (SELECT id FROM media WHERE upload_id = md5('u' || i)) END,
         CASE WHEN state <> 'open' AND expires_at < now() THEN expires_at END
  FROM generate_series($1::integer, $2::integer) i
    CROSS JOIN LATERAL (SELECT now() - interval '6.5 days' * (i::bigint * 7919 % 1000) / 1000 AS created_at) AS c
    CROSS JOIN LATERAL (SELECT created_at + interval '1 day' AS day_later) AS d
    CROSS JOIN LATERAL (SELECT CASE WHEN day_later BETWEEN now() AND now() + interval '3 hours' THEN day_later + interval '3 hours'
                                    ELSE day_later END AS expires_at) AS e
    CROSS JOIN LATERAL (SELECT CASE WHEN i % 10 <> 0 THEN 'complete' WHEN expires_at > now() AND i >= 1000 THEN 'open'
                                    WHEN i % 20 = 0 THEN 'expired' ELSE 'cancelled' END AS state) AS s`;

/** @param {string} dir */
async function start(dir) {
  await mkdir(dir, { recursive: true });
  const target = await mediadock({ DATA_DIR: dir, SWEEP_INTERVAL_SECONDS: '0' });
  return { ...target, dir };
}

/**
 * Rebuilds indexes after the inserts, which is ten times as fast.
 * @param {Target} target @param {typeof SMALL} sizes
 */
async function fill(target, { media, sessions }) {
  const db = await postgresOf(target);
  await db.query(`SET synchronous_commit = off`);
  await db.query(`SET maintenance_work_mem = '1GB'`);
  if (await isEmpty(db, 'media')) {
    const indexes = await withoutIndexes(db, 'media');
    await inBatches(db, MEDIA, media);
    for (const index of indexes) await db.query(index);
    await db.query('VACUUM ANALYZE media');
  }
  if (await isEmpty(db, 'upload_session')) {
    await inBatches(db, SESSIONS, sessions);
    await db.query('VACUUM ANALYZE upload_session');
  }
  await db.end();
}

/** @param {Postgres} db @param {string} name */
async function isEmpty(db, name) {
  return (await db.query(`SELECT 1 FROM ${name} LIMIT 1`)).rows.length === 0;
}

/**
 * Drops indexes and unique constraints. Returns the statements that recreate them.
 * @param {Postgres} db @param {string} name @returns {Promise<string[]>}
 */
async function withoutIndexes(db, name) {
  const constraints = await db.query(
    `SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'u'`,
    [name],
  );
  for (const { name: constraint } of constraints.rows)
    await db.query(`ALTER TABLE ${name} DROP CONSTRAINT ${constraint}`);
  const indexes = await db.query(
    `SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE tablename = $1 AND indexname NOT LIKE '%_pkey'`,
    [name],
  );
  for (const index of indexes.rows) await db.query(`DROP INDEX ${index.name}`);
  return [
    ...constraints.rows.map(
      ({ name: one, definition }) => `ALTER TABLE ${name} ADD CONSTRAINT ${one} ${definition}`,
    ),
    ...indexes.rows.map(({ definition }) => definition),
  ];
}

/** @param {Postgres} db @param {string} statement @param {number} count */
async function inBatches(db, statement, count) {
  for (let first = 0; first < count; first += BATCH)
    await db.query(statement, [first, Math.min(first + BATCH, count) - 1]);
}

/** @param {Target} target */
function requests({ url, token }) {
  const authorization = `Bearer ${token}`;
  /** @param {string} path @param {RequestInit} [init] */
  const send = async (path, init = {}) => {
    const answer = await fetch(url + path, { ...init, headers: { authorization, ...init.headers } });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${answer.status} ${path}: ${text}`);
    return text === '' ? {} : JSON.parse(text);
  };
  const file = Buffer.concat([Buffer.from('%PDF-1.7\n'), randomBytes(2 * CHUNK_BYTES - 9)]);
  const md5 = createHash('md5').update(file).digest('hex');
  let id = '';
  /** @param {number} start */
  const chunk = async (start) => {
    const range = `bytes ${start}-${start + CHUNK_BYTES - 1}/${file.length}`;
    const headers = { 'content-type': 'application/octet-stream', 'content-range': range };
    const body = new Uint8Array(file.subarray(start, start + CHUNK_BYTES));
    const query = start > 0 ? `?upload_id=${id}` : '';
    ({ upload_id: id } = await send(`/api/v2/media/upload/chunk/${query}`, {
      method: 'POST',
      headers,
      body,
    }));
  };
  const headers = { 'content-type': 'application/json' };
  return {
    'first chunk': () => chunk(0),
    'next chunk': () => chunk(CHUNK_BYTES),
    completion: () =>
      send('/api/v2/media/upload/complete/', {
        method: 'POST',
        headers,
        body: JSON.stringify({ upload_id: id, md5 }),
      }),
    list: () => send('/api/v2/media/?limit=20'),
    'last page': () => send('/api/v2/media/?limit=20&offset=980'),
    'search, many hits': () => send('/api/v2/media/?search=beach'),
    'search, one hit': () => send('/api/v2/media/?search=invoice%20801.'),
    'list of uploads': () => send('/api/v2/media/upload/'),
  };
}

/**
 * Times of each request in milliseconds, by its name, for each target. The targets take turns.
 * @param {Target[]} targets
 */
async function timesOf(targets) {
  const all = targets.map((target) => ({
    requests: Object.entries(requests(target)),
    times: /** @type {Record<string, number[]>} */ ({}),
  }));
  for (let round = -5; round < rounds; round++)
    for (const { requests, times } of all)
      for (const [name, send] of requests) {
        const at = performance.now();
        await send();
        if (round >= 0) (times[name] ??= []).push(performance.now() - at);
      }
  for (const [i, target] of targets.entries()) {
    const { times } = /** @type {typeof all[number]} */ (all[i]);
    for (let round = 0; round < 5; round++)
      times['sweep'] = [...(times['sweep'] ?? []), await sweepMs(target)];
  }
  return all.map(({ times }) => times);
}

/** Time of a sweep with nothing to do, in a separate process. @param {Target} target */
async function sweepMs({ dir }) {
  const script = join(import.meta.dirname, 'sweep.js');
  const { stdout } = await run(process.execPath, [script], {
    env: { PATH: process.env['PATH'], DATA_DIR: dir, JWT_SECRET: 'x'.repeat(32) },
  });
  return Number(stdout);
}

/** CPU time and WAL per chunk, with one upload and with many at once. @param {Target} target */
async function costs(target) {
  const rows = [];
  for (const load of [
    { uploads: 1, chunks: 256 },
    { uploads: 8, chunks: 64 },
    { uploads: 64, chunks: 16 },
  ])
    rows.push(await costOf(target, load));
  return rows;
}

/** @param {Target} target @param {{ uploads: number, chunks: number }} load */
async function costOf(target, load) {
  const db = await postgresOf(target);
  const used = async () => {
    const wal = await db.query(`SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes`);
    return [await cpuMs(target.pid), await postgresCpuMs(target), Number(wal.rows[0].bytes)];
  };
  const before = await used();
  const { name, url } = target;
  // These uploads stay open and would otherwise show up in the list of user '1'.
  const token = await tokenOf('2');
  const spec = JSON.stringify({ ...load, target: { name, url, token } });
  const script = join(import.meta.dirname, 'load.js');
  const { stdout } = await run(process.execPath, [script, spec], { maxBuffer: 1e9 });
  const after = await used();
  await db.end();
  const count = load.uploads * load.chunks;
  const [server = 0, postgres = 0, wal = 0] = after.map((value, i) => (value - (before[i] ?? 0)) / count);
  return {
    uploads: load.uploads,
    'chunks/s': count / JSON.parse(stdout).seconds,
    'server CPU ms': server,
    'Postgres CPU ms': postgres,
    'WAL bytes': Math.round(wal),
  };
}

const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'mediadock-growth-')));
const targets = [await start(join(dir, 'small')), await start(join(dir, 'large'))];
const [small, large] = /** @type {[Target, Target]} */ (targets);
await fill(small, SMALL);
await fill(large, { media: Number(values.media), sessions: Number(values.sessions) });
const [few, many] = await timesOf(targets);
const rows = Object.keys(few ?? {}).map((name) => {
  const [one, other] = [median(few?.[name] ?? []), median(many?.[name] ?? [])];
  return { request: name, 'ms, few rows': one, 'ms, many rows': other, ratio: other / one };
});
console.log(`\n${table(rows)}\n\n${table(await costs(large))}`);
const db = await postgresOf(large);
const { rows: sizes } = await db.query(
  `SELECT relname AS "table", round(pg_table_size(oid) / 1e6)::float8 AS "MB", round(pg_indexes_size(oid) / 1e6)::float8 AS "MB of indexes"
   FROM pg_class WHERE relname IN ('media', 'upload_session', 'upload_part')`,
);
console.log(`\n${table(sizes)}`);
await db.end();
await Promise.all(targets.map((target) => target.stop()));
if (values.dir === undefined) await rm(dir, { recursive: true });
