// @ts-check
// The chunks of one user while another user overloads the server, and the order in which thumbnails are made.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, percentile } from '../figures.js';
import { phonePhoto, uploadFile } from '../samples.js';
import { peakMb, postgresOf, tokenOf } from '../servers.js';

/** @typedef {import('../servers.js').Target} Target */
/** @typedef {import('../scenarios.js').Row} Row */
/** @typedef {import('../scenarios.js').Tools} Tools */
/** @typedef {import('../scenarios.js').Outcome} Outcome */

/** Names of attacks in `attackers.js`. Each gets a fresh server. */
const ATTACKS = [
  'completions',
  'wrong md5',
  'clicks',
  'unknown files',
  'searches',
  'downloads',
  'large images',
];
const GREEDY = 'greedy';
const CHUNKS = { uploads: 1, chunks: 256 };

/**
 * Chunks in series, alone and during each attack. A refused chunk ends it.
 * @param {Tools} tools @returns {Promise<Outcome>}
 */
export async function fairness(tools) {
  /** @type {Row[]} */
  const rows = [];
  for (const attack of ATTACKS) rows.push(await beside(tools, attack));
  return {
    rows,
    ratios: Object.fromEntries(
      rows.map((row) => [
        `p99 during ${row['attack']} / alone`,
        Number(row['p99 ms']) / Number(row['alone ms']),
      ]),
    ),
  };
}

/** @param {Tools} tools @param {string} attack @returns {Promise<Row>} */
async function beside({ starters, load, rounds }, attack) {
  const target = await starters.mediadock();
  const [alone, crowded] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  let refusal = '';
  try {
    if (attack === 'searches') await addMedia(target, 5000);
    await load(target, CHUNKS);
    for (let round = 0; round < rounds; round++)
      alone.push(percentile((await load(target, CHUNKS)).times, 0.99));
    const attacker = await startAttacker(target, attack);
    try {
      for (let round = 0; round < rounds; round++)
        crowded.push(percentile((await load(target, CHUNKS)).times, 0.99));
    } catch (error) {
      refusal = /\d{3} instead of 201/.exec(String(error))?.[0] ?? String(error);
    } finally {
      attacker.kill('SIGKILL');
    }
    return {
      attack,
      'alone ms': median(alone),
      'p99 ms': median(crowded),
      refusal,
      'peak MB': await peakMb(target.pid),
    };
  } finally {
    await target.stop();
  }
}

/** @param {Target} target @param {string} attack */
async function startAttacker({ url }, attack) {
  const spec = JSON.stringify({ attack, target: { url, token: await tokenOf(GREEDY) } });
  const attacker = spawn(process.execPath, [join(import.meta.dirname, '..', 'attackers.js'), spec], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(attacker.stdout, 'data');
  await sleep(1000);
  return attacker;
}

/** Inserts media with descriptions of 5,000 characters. @param {Target} target @param {number} count */
async function addMedia(target, count) {
  const client = await postgresOf(target);
  await client.query(
    `INSERT INTO media (upload_id, owner_id, key, type, title, description, mime, size, md5, sha256)
     SELECT md5('u' || i), $1, md5('k' || i), 'doc', 'Number ' || i,
            (SELECT left(string_agg(md5(i || '.' || j), ' '), 5000) FROM generate_series(1, 152) j),
            'application/pdf', 1, '', ''
     FROM generate_series(1, $2::integer) i`,
    [GREEDY, count],
  );
  await client.query('VACUUM ANALYZE media');
  await client.end();
}

/** Time from the response of each completion to its thumbnail. @param {Tools} tools @returns {Promise<Outcome>} */
export async function thumbnails({ starters }) {
  const target = await starters.mediadock();
  try {
    const photo = await phonePhoto(4032, 3024);
    await thumbnailMs(target, await completed(target, photo));
    const ids = [];
    for (let i = 0; i < 80; i++) ids.push(await uploadFile(target, photo));
    const eighty = await Promise.all(
      ids.map(async (id) => await thumbnailMs(target, await completed(target, photo, id))),
    );
    const large = await phonePhoto(8064, 6048, 6);
    const greedy = { ...target, token: await tokenOf(GREEDY) };
    const greedyIds = [];
    for (let i = 0; i < 25; i++) greedyIds.push(await uploadFile(greedy, large));
    const others = greedyIds.map((id) => completed(greedy, large, id));
    await others[0];
    const at = performance.now();
    const waited = await thumbnailMs(target, await completed(target, photo));
    const whole = performance.now() - at;
    await Promise.all(others);
    return {
      rows: [
        {
          photos: '80 phone photos, completed at once',
          'median s': median(eighty) / 1000,
          'last s': Math.max(...eighty) / 1000,
        },
        {
          photos: 'one, while another user completes 25 large ones',
          'median s': waited / 1000,
          'last s': whole / 1000,
        },
      ],
      ratios: {},
    };
  } finally {
    await target.stop();
  }
}

/**
 * @param {Target} target @param {Buffer} bytes @param {string} [uploadId]
 * @returns {Promise<number>} the id of its Media
 */
async function completed(target, bytes, uploadId) {
  const answer = await fetch(`${target.url}/api/v2/media/upload/complete/`, {
    method: 'POST',
    headers: { authorization: `Bearer ${target.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      upload_id: uploadId ?? (await uploadFile(target, bytes)),
      md5: createHash('md5').update(bytes).digest('hex'),
    }),
  });
  const { id, ...rest } = await answer.json();
  if (id === undefined) throw new Error(JSON.stringify(rest));
  return id;
}

/** Resolves when the thumbnail exists. @param {Target} target @param {number} id @returns {Promise<number>} */
async function thumbnailMs({ url, token }, id) {
  const at = performance.now();
  for (;;) {
    const answer = await fetch(`${url}/api/v2/media/${id}/`, {
      headers: { authorization: `Bearer ${token}` },
    });
    if ((await answer.json()).image_thumbnail) return performance.now() - at;
    await sleep(100);
  }
}
