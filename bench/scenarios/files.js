// @ts-check
// Completion, and downloads compared with nginx.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Nginx } from '../../cluster/nginx.js';
import { median } from '../figures.js';
import { staticNginx } from '../nginx.js';
import { ratio } from '../rounds.js';

/** @typedef {import('../servers.js').Target} Target */
/** @typedef {import('../scenarios.js').Row} Row */
/** @typedef {import('../scenarios.js').Tools} Tools */
/** @typedef {import('../scenarios.js').Outcome} Outcome */

/** @param {Tools} tools @returns {Promise<Outcome>} */
export async function complete({ starters, load, rounds }) {
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
export async function download({ starters, load, rounds }) {
  const own = await starters.mediadock();
  const [url] = (await load(own, { uploads: 1, chunks: 256, complete: true })).urls;
  const nginx = Nginx.missing ? undefined : await staticNginx(join(own.dir, 'files'));
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
  await nginx?.stop();
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
