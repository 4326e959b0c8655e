// @ts-check
// The server as a whole: start, status requests, several processes, slow clients, a soak test.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { median, percentile } from '../figures.js';
import { paired, ratio, stopAll } from '../rounds.js';
import { peakMb, residentMb } from '../servers.js';

const run = promisify(execFile);

/** @typedef {import('../servers.js').Target} Target */
/** @typedef {import('../scenarios.js').Row} Row */
/** @typedef {import('../scenarios.js').Tools} Tools */
/** @typedef {import('../scenarios.js').Outcome} Outcome */
/** @typedef {import('../main.js').Compared} Compared */

/**
 * Time from the start of the process to the first 201, with a new and with an existing data directory.
 * @param {Tools} tools @returns {Promise<Outcome>}
 */
export async function start({ starters, rounds }) {
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
export async function status({ starters, load, rounds }) {
  const targets = [await starters.mediadock(), await starters.tus()];
  /** @type {Row[]} */
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

/** @param {Target} target @returns {Promise<string>} the URL of an open upload */
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

/**
 * Compares one server process with two. For chunks, the load generator, the kernel and Postgres use as much CPU time
 * again on the same cores. Status requests are sent by wrk, if installed, which uses very little.
 * @param {Tools} tools @returns {Promise<Outcome>}
 */
export async function workers({ starters, compare, rounds }) {
  const targets = [await starters.mediadock(), await starters.mediadock({ WORKERS: '2' })];
  const [one, two] = /** @type {[Compared, Compared]} */ (
    await compare(targets, rounds, { uploads: 16, chunks: 32 })
  );
  const answers = existsSync(WRK) ? await answersOf(targets, rounds) : undefined;
  await stopAll(targets);
  return {
    rows: [one, two].map(({ row }, i) => ({
      workers: i + 1,
      ...row,
      ...(answers && { 'statuses/s': answers.statuses[i] ?? 0, 'small answers/s': answers.small[i] ?? 0 }),
    })),
    ratios: {
      'chunks/s of 2 / of 1': paired(two, one, 'chunks/s'),
      ...(answers && {
        'statuses/s of 2 / of 1': Number(answers.statuses[1]) / Number(answers.statuses[0]),
        'small answers/s of 2 / of 1': Number(answers.small[1]) / Number(answers.small[0]),
      }),
    },
  };
}

const WRK = '/usr/bin/wrk';

/**
 * Responses per second of each server: with a query to Postgres, and without.
 * @param {Target[]} targets @param {number} rounds
 */
async function answersOf(targets, rounds) {
  const [statuses, small] = [
    targets.map(() => /** @type {number[]} */ ([])),
    targets.map(() => /** @type {number[]} */ ([])),
  ];
  for (let round = 0; round < rounds; round++) {
    for (const [i, target] of targets.entries()) {
      statuses[i]?.push(await perSecond(target, await openUpload(target)));
      small[i]?.push(await perSecond(target, `${target.url}/health/live`));
    }
  }
  return { statuses: statuses.map(median), small: small.map(median) };
}

/** @param {Target} target @param {string} url @returns {Promise<number>} */
async function perSecond({ token }, url) {
  const { stdout } = await run(WRK, ['-t1', '-c16', '-d3s', '-H', `Authorization: Bearer ${token}`, url]);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
}

/**
 * Eight uploads, alone and beside a thousand sockets that trickle. The run fails if one of the eight is refused.
 * @param {Tools} tools @returns {Promise<Outcome>}
 */
export async function slowSockets({ starters, load, rounds }) {
  const target = await starters.mediadock();
  const task = { uploads: 8, chunks: 64 };
  await load(target, task);
  const [alone, beside] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  for (let round = 0; round < rounds; round++) {
    alone.push(percentile((await load(target, task)).times, 0.99));
    const crowd = await startCrowd(target, 1000);
    try {
      beside.push(percentile((await load(target, task)).times, 0.99));
    } finally {
      crowd.kill();
    }
  }
  const memory = await peakMb(target.pid);
  await target.stop();
  return {
    rows: [
      { traffic: 'alone', 'p99 ms': median(alone), 'peak MB': '' },
      { traffic: 'with 1,000 slow sockets', 'p99 ms': median(beside), 'peak MB': memory },
    ],
    ratios: { 'p99 with slow sockets / alone': median(beside) / median(alone) },
  };
}

/** @param {Target} target @param {number} trickling */
async function startCrowd({ name, url, token }, trickling) {
  const spec = JSON.stringify({ trickling, target: { name, url, token } });
  const crowd = spawn(process.execPath, [join(import.meta.dirname, '..', 'load.js'), spec], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(crowd.stdout, 'data');
  return crowd;
}

/** Memory during ten minutes of complete uploads. @param {Tools} tools @returns {Promise<Outcome>} */
export async function soak({ starters, load }) {
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
