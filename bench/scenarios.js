// @ts-check
import { createServer } from 'node:net';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { median, percentile } from './figures.js';
import { peakMb, residentMb } from './servers.js';

/** @typedef {import('./servers.js').Target} Target */
/** @typedef {Record<string, string | number>} Row */
/** @typedef {import('./main.js').Compared} Compared */
/**
 * @typedef {{
 *   rounds: number,
 *   compare: (targets: Target[], rounds: number, task: object) => Promise<import('./main.js').Compared[]>,
 *   load: (target: Target, task: object) => Promise<any>,
 *   starters: { mediadock: (settings?: Record<string, string>) => Promise<Target>, tus: () => Promise<Target>, floor: () => Promise<Target> },
 * }} Tools
 */
/** @typedef {{ rows: Row[], ratios: Record<string, number> }} Outcome */

/** @type {Record<string, (tools: Tools) => Promise<Outcome>>} */
export const SCENARIOS = {
  serial: (tools) => sideBySide(tools, { uploads: 1, chunks: 256 }),
  'parallel-8': (tools) => sideBySide(tools, { uploads: 8, chunks: 64 }),
  'parallel-64': (tools) => sideBySide(tools, { uploads: 64, chunks: 8 }),
  'parallel-256': (tools) => sideBySide(tools, { uploads: 256, chunks: 4 }),
  complete,
  download,
  status,
  start,
  'many-sessions': manySessions,
  'slow-sockets': slowSockets,
  workers,
  costs,
  soak,
};

/** @param {Tools} tools @param {{ uploads: number, chunks: number }} task @returns {Promise<Outcome>} */
async function sideBySide({ starters, compare, rounds }, task) {
  const targets = [await starters.mediadock(), await starters.tus(), await starters.floor()];
  const compared = await compare(targets, rounds, task);
  await stopAll(targets);
  const [own, peer, least] = /** @type {[Compared, Compared, Compared]} */ (compared);
  return {
    rows: compared.map(({ row }) => row),
    ratios: {
      'p50 per chunk / @tus/server': paired(own, peer, 'p50 ms'),
      'p50 per chunk / synced floor': paired(own, least, 'p50 ms'),
      // Fair: all uploads get on at one pace.
      'p99 / time per chunk of fair sharing':
        (Number(own.row['p99 ms']) * Number(own.row['chunks/s'])) / (task.uploads * 1000),
      'chunks/s / @tus/server': paired(own, peer, 'chunks/s'),
      'server CPU per chunk / @tus/server': paired(own, peer, 'CPU ms/chunk'),
    },
  };
}

/** The median of the ratios within each round: what one minute does to both sides cancels out. @param {Compared} own @param {Compared} peer @param {string} figure */
function paired(own, peer, figure) {
  return median(own.rounds.map((round, i) => ratio(round, peer.rounds[i] ?? {}, figure)));
}

/** @param {Tools} tools @returns {Promise<Outcome>} */
async function complete({ starters, load, rounds }) {
  const target = await starters.mediadock();
  /** @type {Row[]} */
  const rows = [];
  for (const chunks of [5, 25, 256]) {
    const times = [];
    for (let round = 0; round < rounds; round++) {
      times.push(...(await load(target, { uploads: 1, chunks, complete: true })).completeMs);
    }
    rows.push({ MB: (chunks * 204_800) / 1e6, 'p50 ms': median(times), 'max ms': Math.max(...times) });
  }
  await target.stop();
  return { rows, ratios: {} };
}

/** @param {Tools} tools @returns {Promise<Outcome>} */
async function download({ starters, load, rounds }) {
  const own = await starters.mediadock();
  const [url] = (await load(own, { uploads: 1, chunks: 256, complete: true })).urls;
  const nginx = await startNginx(join(own.dir, 'files'));
  const [name] = await readdir(join(own.dir, 'files'));
  /** @type {[string, string][]} */
  const places = [
    ['mediadock', url],
    ...(nginx ? /** @type {[string, string][]} */ ([['nginx', `${nginx.url}/${name}`]]) : []),
  ];
  /** @type {Map<string, { whole: number[], ranges: number[] }>} */
  const figures = new Map(places.map(([server]) => [server, { whole: [], ranges: [] }]));
  for (let round = 0; round < rounds; round++) {
    for (const [server, url] of places) {
      const whole = await load(own, { url, requests: 10 });
      const ranges = await load(own, { url, requests: 200, headers: { range: 'bytes=20000000-20099999' } });
      figures.get(server)?.whole.push((10 * 52.4288) / whole.seconds);
      figures.get(server)?.ranges.push(200 / ranges.seconds);
    }
  }
  nginx?.stop();
  await own.stop();
  const rows = [...figures].map(([server, { whole, ranges }]) => ({
    server,
    'MB/s of 50 MB': median(whole),
    'ranges of 100 kB/s': median(ranges),
  }));
  const [mine, peer] = /** @type {Row[]} */ (rows);
  return {
    rows,
    ratios:
      mine && peer
        ? {
            '50 MB / nginx': ratio(mine, peer, 'MB/s of 50 MB'),
            'ranges / nginx': ratio(mine, peer, 'ranges of 100 kB/s'),
          }
        : {},
  };
}

/** @param {Tools} tools @returns {Promise<Outcome>} */
async function status({ starters, load, rounds }) {
  const targets = [await starters.mediadock(), await starters.tus()];
  const rows = [];
  for (const target of targets) {
    const url = await openUpload(target);
    const times = [];
    for (let round = 0; round < rounds; round++) {
      times.push(
        ...(
          await load(target, {
            url,
            requests: 500,
            headers: { 'x-method': 'HEAD', 'tus-resumable': '1.0.0' },
          })
        ).times,
      );
    }
    rows.push({ server: target.name, 'p50 ms': median(times), 'p99 ms': percentile(times, 0.99) });
  }
  await stopAll(targets);
  const [own, peer] = /** @type {[Row, Row]} */ (rows);
  return { rows, ratios: { 'HEAD / @tus/server': ratio(own, peer, 'p50 ms') } };
}

/** @param {Target} target @returns {Promise<string>} the address of an upload that is open */
async function openUpload({ name, url, token }) {
  if (name !== 'mediadock') {
    const created = await fetch(`${url}/files`, {
      method: 'POST',
      headers: { 'tus-resumable': '1.0.0', 'upload-length': '1000' },
    });
    return new URL(created.headers.get('location') ?? '', url).href;
  }
  const headers = { authorization: `Bearer ${token}`, 'content-range': 'bytes 0-8/1000' };
  const opened = await fetch(`${url}/api/v2/media/upload/chunk/`, {
    method: 'POST',
    headers,
    body: '%PDF-1.7\n',
  });
  return new URL(opened.headers.get('location') ?? '', url).href;
}

/** From the start of the process to its first answer: a fresh data directory, and one that is there. @param {Tools} tools @returns {Promise<Outcome>} */
async function start({ starters, rounds }) {
  const dir = await mkdtemp(join(tmpdir(), 'mediadock-bench-start-'));
  const [fresh, again] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  for (let round = 0; round < rounds; round++) {
    const settings = { DATA_DIR: join(dir, String(round)) };
    for (const times of [fresh, again]) {
      const at = performance.now();
      const target = await starters.mediadock(settings);
      await openUpload(target);
      times.push(performance.now() - at);
      await target.stop();
    }
  }
  await rm(dir, { recursive: true });
  return {
    rows: [
      { start: 'fresh', 'first 201 ms': median(fresh) },
      { start: 'again', 'first 201 ms': median(again) },
    ],
    ratios: {},
  };
}

/** @param {Tools} tools @returns {Promise<Outcome>} */
async function manySessions({ starters, compare, rounds }) {
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

/**
 * Eight uploads, alone and beside a thousand sockets that trickle. A single refusal of theirs ends the run.
 * @param {Tools} tools @returns {Promise<Outcome>}
 */
async function slowSockets({ starters, load, rounds }) {
  const target = await starters.mediadock();
  const task = { uploads: 8, chunks: 64 };
  await load(target, task);
  const [alone, beside] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  for (let round = 0; round < rounds; round++) {
    alone.push(percentile((await load(target, task)).times, 0.99));
    const crowd = await startCrowd(target, 1000);
    beside.push(percentile((await load(target, task)).times, 0.99));
    crowd.kill();
  }
  const memory = await peakMb(target.pid);
  await target.stop();
  return {
    rows: [
      { traffic: 'alone', 'p99 ms': median(alone), 'peak MB': '' },
      { traffic: 'beside 1,000 slow sockets', 'p99 ms': median(beside), 'peak MB': memory },
    ],
    ratios: { 'p99 beside / alone': median(beside) / median(alone) },
  };
}

/** @param {Target} target @param {number} trickling */
async function startCrowd({ name, url, token }, trickling) {
  const spec = JSON.stringify({ trickling, target: { name, url, token } });
  const crowd = spawn(process.execPath, [join(import.meta.dirname, 'load.js'), spec], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(crowd.stdout, 'data');
  return crowd;
}

/**
 * One server process and two. Chunks cost the load, the kernel and Postgres as much again, on the same processors; statuses
 * cost the server alone. @param {Tools} tools @returns {Promise<Outcome>}
 */
async function workers({ starters, compare, load, rounds }) {
  const targets = [await starters.mediadock(), await starters.mediadock({ WORKERS: '2' })];
  const [one, two] = /** @type {[Compared, Compared]} */ (
    await compare(targets, rounds, { uploads: 16, chunks: 32 })
  );
  const statuses = targets.map(() => /** @type {number[]} */ ([]));
  const headers = { 'x-method': 'HEAD' };
  for (let round = 0; round <= rounds; round++) {
    for (const [i, target] of targets.entries()) {
      const url = await openUpload(target);
      const { times, seconds } = await load(target, { url, headers, connections: 16, requests: 200 });
      if (round > 0) statuses[i]?.push(times.length / seconds);
    }
  }
  await stopAll(targets);
  const [alone, both] = statuses.map(median);
  return {
    rows: [one, two].map(({ row }, i) => ({
      workers: i + 1,
      ...row,
      'statuses/s': median(statuses[i] ?? []),
    })),
    ratios: {
      'chunks/s of 2 / of 1': paired(two, one, 'chunks/s'),
      'statuses/s of 2 / of 1': Number(both) / Number(alone),
    },
  };
}

/** @param {Target} target @param {number} count */
async function addSessions({ dir }, count) {
  const client = new pg.Client({
    host: join(dir, 'postgres-socket'),
    user: 'mediadock',
    database: 'postgres',
  });
  await client.connect();
  await client.query(
    // All their bytes are there, or the disk would be too small for them.
    `INSERT INTO upload_session (id, owner_id, total, "offset", key, expiry_slides, expires_at)
     SELECT md5(i::text), (i % 1000)::text, 1000000, 1000000, md5('key' || i), true, now() + interval '1 day'
     FROM generate_series((SELECT count(*) FROM upload_session), $1::bigint) i ON CONFLICT DO NOTHING`,
    [count],
  );
  await client.query('VACUUM ANALYZE upload_session');
  await client.end();
}

/** Ten minutes of finished uploads: does memory stay where it is? @param {Tools} tools @returns {Promise<Outcome>} */
async function soak({ starters, load }) {
  const target = await starters.mediadock();
  const end = Date.now() + 600_000;
  /** @type {Row[]} */
  const rows = [];
  for (let uploads = 0; Date.now() < end;) {
    const until = Date.now() + 60_000;
    const memory = [];
    while (Date.now() < until) {
      uploads += (await load(target, { uploads: 8, chunks: 5, files: 10, complete: true })).urls.length;
      memory.push(await residentMb(target.pid));
    }
    rows.push({ uploads, 'median MB': median(memory), 'peak MB': await peakMb(target.pid) });
  }
  await target.stop();
  // The first minute fills caches and pools.
  const [, second, last] = [rows[0], rows[1], rows.at(-1)];
  return {
    rows,
    ratios: second && last ? { 'memory, last minute / second': ratio(last, second, 'median MB') } : {},
  };
}

/** @param {Row} a @param {Row} b @param {string} figure @returns {number} */
function ratio(a, b, figure) {
  return Number(a[figure]) / Number(b[figure]);
}

/** @param {Target[]} targets */
async function stopAll(targets) {
  await Promise.all(targets.map((target) => target.stop()));
}

/** nginx serving the same directory; undefined where it is not installed. @param {string} root */
async function startNginx(root) {
  if (!existsSync('/usr/sbin/nginx')) return undefined;
  const dir = await mkdtemp(join(tmpdir(), 'mediadock-bench-nginx-'));
  const port = await freePort();
  await writeFile(
    join(dir, 'nginx.conf'),
    `user root; daemon off; pid ${dir}/pid; error_log ${dir}/error.log; events {}
     http { access_log off; sendfile on; server { listen 127.0.0.1:${port}; root ${root}; } }`,
  );
  const child = spawn('/usr/sbin/nginx', ['-c', join(dir, 'nginx.conf')], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(url).catch(() => undefined))) await new Promise((resolve) => setTimeout(resolve, 20));
  return { url, stop: () => child.kill() };
}

/** @returns {Promise<number>} */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** What one chunk asks of disk and database, counted in the server's system calls and the counters of Postgres. @param {Tools} tools @returns {Promise<Outcome>} */
async function costs({ starters, load }) {
  const chunks = 100;
  const target = await starters.mediadock();
  await load(target, { uploads: 1, chunks });
  const walBefore = await walSyncs(target);
  const strace = spawn('strace', [
    '-f',
    '-y',
    '-e',
    'trace=pwrite64,fdatasync,fsync,write,writev',
    '-p',
    String(target.pid),
  ]);
  let log = '';
  strace.stderr.on('data', (text) => (log += text));
  while (!log.includes('attached')) await once(strace.stderr, 'data');
  await load(target, { uploads: 1, chunks });
  strace.kill('SIGINT');
  await once(strace, 'close');
  const wal = (await walSyncs(target)) - walBefore;
  await target.stop();
  const calls = (/** @type {RegExp} */ pattern) =>
    log.split('\n').filter((line) => pattern.test(line)).length / chunks;
  return {
    rows: [
      {
        'synced writes of the file': calls(/pwrite64\(.*\/uploads\//),
        'other syncs': calls(/f(data)?sync\(/),
        'WAL syncs': wal / chunks,
        'sends to Postgres': calls(/writev?\(\d+<(UNIX|socket)/),
      },
    ],
    ratios: {},
  };
}

/** @param {Target} target @returns {Promise<number>} */
async function walSyncs({ dir }) {
  const client = new pg.Client({
    host: join(dir, 'postgres-socket'),
    user: 'mediadock',
    database: 'postgres',
  });
  await client.connect();
  const { rows } = await client.query(`SELECT sum(fsyncs) AS syncs FROM pg_stat_io WHERE object = 'wal'`);
  await client.end();
  return Number(rows[0].syncs);
}
