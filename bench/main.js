// @ts-check
// `npm run bench [-- --rounds 5] [--only serial,parallel-8,…]`: compares this server with its peers, which take turns
// for several rounds. Prints medians and ratios, and writes both to bench/results.json.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { median, percentile, table } from './figures.js';
import { SCENARIOS } from './scenarios.js';
import { cpuMs, floor, mediadock, peakMb, postgresCpuMs, tus } from './servers.js';

/** @typedef {import('./servers.js').Target} Target */
/** @typedef {Record<string, string | number>} Row */
/** @typedef {{ row: Row, rounds: Row[] }} Compared medians over the rounds, and each of them */

const HERE = dirname(fileURLToPath(import.meta.url));
const run = promisify(execFile);
const MEGABYTE = 1_000_000;
const CHUNK_BYTES = 204_800;
/** After so many chunks of a kind, caches are filled and code is compiled: the CPU time of a chunk no longer falls. */
const WARM_UP_CHUNKS = 4000;

/**
 * Runs a load in a separate process and adds the CPU time of the server. Syncs first, so that this load does not wait
 * for what an earlier one left in the page cache.
 * @param {Target} target @param {object} task @returns {Promise<any>}
 */
export async function load(target, task) {
  await run('sync');
  const [cpuBefore, postgresBefore] = [await cpuMs(target.pid), await postgresCpuMs(target)];
  const { name, url, token, store } = target;
  const spec = JSON.stringify({ ...task, target: { name, url, token, store } });
  const { stdout } = await run(process.execPath, [join(HERE, 'load.js'), spec], {
    maxBuffer: 256 * MEGABYTE,
  });
  return {
    ...JSON.parse(stdout),
    cpuMs: (await cpuMs(target.pid)) - cpuBefore,
    postgresCpuMs: (await postgresCpuMs(target)) - postgresBefore,
  };
}

/**
 * Runs a task on every target in turn, round by round, so that a noisy minute affects all of them alike. Uploads are
 * removed after their round: their rows and their bytes in the page cache would make each round slower than the one before.
 * @param {Target[]} targets @param {number} rounds @param {{ uploads: number, chunks: number }} task
 * @returns {Promise<Compared[]>}
 */
export async function compare(targets, rounds, task) {
  /** @type {Map<Target, any[]>} */
  const results = new Map(targets.map((target) => [target, []]));
  for (const target of targets)
    for (let chunks = 0; chunks < WARM_UP_CHUNKS; chunks += task.uploads * task.chunks)
      await loadAndRemove(target, task);
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) results.get(target)?.push(await loadAndRemove(target, task));
  }
  return await Promise.all(
    [...results].map(async ([target, rounds]) => ({
      row: { server: target.name, ...summary(rounds), 'peak MB': await peakMb(target.pid) },
      rounds: rounds.map((round) => summary([round])),
    })),
  );
}

/** @param {Target} target @param {object} task @returns {Promise<any>} */
async function loadAndRemove(target, task) {
  const result = await load(target, task);
  await load(target, { remove: result.addresses });
  return result;
}

/** @param {any[]} rounds @returns {Row} */
function summary(rounds) {
  const of = (/** @type {(round: any) => number} */ figure) => median(rounds.map(figure));
  return {
    'p50 ms': of(({ times }) => median(times)),
    'p95 ms': of(({ times }) => percentile(times, 0.95)),
    'p99 ms': of(({ times }) => percentile(times, 0.99)),
    'chunks/s': of(({ times, seconds }) => times.length / seconds),
    'MB/s': of(({ times, seconds }) => (times.length * CHUNK_BYTES) / MEGABYTE / seconds),
    'CPU ms/chunk': of(({ times, cpuMs }) => cpuMs / times.length),
    'Postgres CPU ms/chunk': of(({ times, postgresCpuMs }) => postgresCpuMs / times.length),
  };
}

async function main() {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '5' }, only: { type: 'string' } },
  });
  const wanted = values.only?.split(',') ?? Object.keys(SCENARIOS).filter((name) => name !== 'soak');
  const report = {
    node: process.version,
    cpus: cpus().length,
    load: loadavg(),
    results: /** @type {Record<string, any>} */ ({}),
  };
  for (const name of wanted) {
    const scenario = SCENARIOS[name];
    if (!scenario)
      throw new Error(`Unknown scenario ${name}. Choose from ${Object.keys(SCENARIOS).join(', ')}`);
    const { rows, ratios } = await scenario({
      rounds: Number(values.rounds),
      compare,
      load,
      starters: { mediadock, tus, floor },
    });
    report.results[name] = { rows, ratios };
    console.log(`\n${name}\n${table(rows)}`);
    for (const [figure, value] of Object.entries(ratios))
      console.log(`  ${figure}: ${Number(value).toFixed(2)}`);
  }
  await writeFile(join(HERE, 'results.json'), `${JSON.stringify(report, null, 2)}\n`);
}

await main();
