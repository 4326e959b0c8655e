// @ts-check
// Downloads over 16 connections: from one process of this server, from the same behind nginx with the cache of
// docs/deploying.md, and from nginx serving the same bytes as static files.
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { median } from '../figures.js';
import { cachingNginx, staticNginx } from '../nginx.js';
import { uploadFile } from '../samples.js';

/** @typedef {import('../servers.js').Target} Target */
/** @typedef {import('../scenarios.js').Tools} Tools */
/** @typedef {import('../scenarios.js').Outcome} Outcome */
/** @typedef {{ name: string, path: string }} Sample */

const run = promisify(execFile);
const NEEDED = ['nginx', 'wrk'];

/** @param {Tools} tools @returns {Promise<Outcome>} */
export async function readers({ starters, rounds }) {
  if (!NEEDED.every((program) => ['/usr/sbin', '/usr/bin'].some((dir) => existsSync(join(dir, program)))))
    throw new Error(`This needs ${NEEDED.join(' and ')}: apt-get install ${NEEDED.join(' ')}`);
  const own = await starters.mediadock({ SHARED_CACHE_SECONDS: '60' });
  const samples = await uploadSamples(own);
  const peer = await staticNginx(await copies(own, samples));
  const cache = await cachingNginx(own.url);
  /** @type {Record<string, string>} */
  const servers = { mediadock: own.url, 'behind a cache': cache.url, nginx: peer.url };
  const rows = [];
  try {
    for (const { name, path } of samples) rows.push(...(await measured(name, path, servers, rounds)));
  } finally {
    await Promise.all([peer, cache, own].map((server) => server.stop()));
  }
  const ratios = rows.flatMap((row) =>
    row.server === 'nginx' ? [] : [[`${row.of}, ${row.server} / nginx`, row.ratio]],
  );
  return { rows, ratios: Object.fromEntries(ratios) };
}

/** @param {string} of @param {string} path @param {Record<string, string>} servers @param {number} rounds */
async function measured(of, path, servers, rounds) {
  /** @type {Record<string, number[]>} */
  const rates = {};
  for (const url of Object.values(servers)) await requestsPerSecond(url + path, 1);
  for (let round = 0; round < rounds; round++)
    for (const [server, url] of Object.entries(servers))
      (rates[server] ??= []).push(await requestsPerSecond(url + path, 2));
  const peer = rates['nginx'] ?? [];
  return Object.entries(rates).map(([server, all]) => ({
    of,
    server,
    'requests/s': median(all),
    ratio: median(all.map((rate, round) => rate / (peer[round] ?? Number.NaN))),
  }));
}

/** @param {string} url @param {number} seconds */
async function requestsPerSecond(url, seconds) {
  const { stdout } = await run('wrk', [
    '--threads',
    '1',
    '--connections',
    '16',
    '--duration',
    `${seconds}s`,
    url,
  ]);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout);
  return Number(/Requests\/sec: +([\d.]+)/.exec(stdout)?.[1]);
}

/** @param {Target} own @returns {Promise<Sample[]>} */
async function uploadSamples(own) {
  const { image_thumbnail: thumbnail } = await completed(own, await photo(1024, 768, 64));
  const { image } = await completed(own, await photo(1240, 930, 16));
  const large = Buffer.concat([Buffer.from('%PDF-1.7\n'), randomBytes(5_000_000)]);
  const { url } = await completed(own, large);
  const path = (/** @type {string} */ address) => new URL(address).pathname;
  const size = async (/** @type {string} */ address) =>
    Math.round((await (await fetch(address)).arrayBuffer()).byteLength / 1000);
  return [
    { name: `thumbnail, ${await size(thumbnail.url)} kB`, path: path(thumbnail.url) },
    { name: `image, ${await size(image)} kB`, path: path(image) },
    { name: `document, ${await size(url)} kB`, path: path(url) },
  ];
}

/**
 * A JPEG. A larger grain makes a smaller file.
 * @param {number} width @param {number} height @param {number} grain @returns {Promise<Buffer>}
 */
async function photo(width, height, grain) {
  const [across, down] = [Math.round(width / grain), Math.round(height / grain)];
  const raw = { width: across, height: down, channels: /** @type {const} */ (3) };
  const noise = sharp(randomBytes(across * down * 3), { raw });
  return await noise.resize(width, height, { kernel: 'cubic' }).jpeg({ quality: 80 }).toBuffer();
}

/**
 * Uploads a file. Images get their thumbnail first.
 * @param {Target} own @param {Buffer} bytes @returns {Promise<any>} its Media
 */
async function completed(own, bytes) {
  const headers = { authorization: `Bearer ${own.token}`, 'content-type': 'application/json' };
  const body = JSON.stringify({
    upload_id: await uploadFile(own, bytes),
    md5: createHash('md5').update(bytes).digest('hex'),
  });
  const answer = await fetch(`${own.url}/api/v2/media/upload/complete/`, { method: 'POST', headers, body });
  let media = await answer.json();
  while (media.image && !media.image_thumbnail) {
    await sleep(50);
    media = await (await fetch(`${own.url}/api/v2/media/${media.id}/`, { headers })).json();
  }
  return media;
}

/** A directory with the same files under the same paths. @param {Target} own @param {Sample[]} samples */
async function copies(own, samples) {
  const root = join(own.dir, 'copies');
  for (const area of ['files', 'thumbnails']) await mkdir(join(root, area), { recursive: true });
  for (const { path } of samples)
    await writeFile(join(root, path), Buffer.from(await (await fetch(own.url + path)).arrayBuffer()));
  return root;
}
