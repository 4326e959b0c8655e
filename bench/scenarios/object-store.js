// @ts-check
// Bytes in a real object store (Ceph with its S3 gateway), beside a client that talks to it without a server in between.
import { Ceph } from '../../cluster/ceph.js';
import { installMissing } from '../../cluster/install.js';
import { Nginx } from '../../cluster/nginx.js';
import { median } from '../figures.js';
import { forwardingNginx } from '../nginx.js';
import { databaseUrlOf, peakMb } from '../servers.js';

/** @typedef {import('../servers.js').Target} Target */
/** @typedef {import('../scenarios.js').Row} Row */
/** @typedef {import('../scenarios.js').Tools} Tools */
/** @typedef {import('../scenarios.js').Outcome} Outcome */
/** @typedef {{ ceph: Ceph, own: Target, store: Target }} Place */

/** 50 MiB, or 256 chunks. */
const FILE = { uploads: 1, chunks: 256 };
const MANY = 64;
/** Fills caches, and has the code compiled. */
const WARM_UP = { uploads: 8, chunks: 256 };

/** @param {Tools} tools @returns {Promise<Outcome>} */
export async function objectStore(tools) {
  await installMissing();
  const missing = Ceph.missing ?? Nginx.missing;
  if (missing) throw new Error(`This needs an object store and a proxy: ${missing}`);
  const rows = [
    ...(await inPlace(tools, 1, async (place) => [await serial(tools, place)])),
    ...(await inPlace(tools, 3, async (place) => [
      await parallel(tools, place),
      await completion(tools, place),
      ...(await alternating(tools, place)),
    ])),
    // By itself: it needs most of the space that there is.
    ...(await inPlace(tools, 1, async (place) => [await memory(tools, place)])),
  ];
  const ratios = rows
    .filter(({ ratio }) => ratio !== undefined)
    .map(({ measured, ratio }) => [measured, ratio]);
  return { rows, ratios: Object.fromEntries(ratios) };
}

/**
 * A Ceph and a server that keeps its bytes there, as long as `work` runs.
 * @param {Tools} tools @param {number} osds @param {(place: Place) => Promise<Row[]>} work
 * @returns {Promise<Row[]>}
 */
async function inPlace({ starters, load }, osds, work) {
  const ceph = await Ceph.start({ osds });
  try {
    const own = await starters.mediadock(settingsOf(ceph));
    const pid = ceph.daemons.get('rgw')?.pid ?? 0;
    /** @type {Target} */
    const store = { ...own, name: 'S3', pid, store: ceph.settings };
    try {
      await load(own, WARM_UP);
      return (await work({ ceph, own, store })).map((row) => ({ OSDs: osds, ...row }));
    } finally {
      await own.stop();
    }
  } finally {
    await ceph.stop();
  }
}

/** @param {Ceph} ceph */
function settingsOf({ settings }) {
  return {
    ...settings,
    TRUST_PROXY: 'loopback',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  };
}

/** @param {Tools} tools @param {Place} place */
async function serial({ load, rounds }, { own, store }) {
  const time = (/** @type {Target} */ target) => async () => median((await load(target, FILE)).times);
  const [figures, peers] = await inTurn(rounds, [time(own), time(store)]);
  return row('a chunk in series / a straight PUT', 'ms', figures, peers);
}

/** @param {Tools} tools @param {Place} place */
async function parallel({ load, rounds }, { own, store }) {
  const rate = (/** @type {Target} */ target) => async () => {
    const { times, seconds } = await load(target, { uploads: 32, chunks: 32, warmUp: 2 });
    return times.length / seconds;
  };
  const [figures, peers] = await inTurn(rounds, [rate(own), rate(store)]);
  return row('32 uploads at once / 32 straight PUTs at once', 'per second', figures, peers);
}

/** @param {Tools} tools @param {Place} place */
async function completion({ load, rounds }, { own, store }) {
  const time = (/** @type {Target} */ target) => async () =>
    (await load(target, { ...FILE, complete: true })).completeMs[0];
  const [figures, peers] = await inTurn(rounds, [time(own), time(store)]);
  return row('completion of 50 MiB / reading 256 objects and putting them as one', 'ms', figures, peers);
}

/** @param {Tools} tools @param {Place} place */
async function alternating({ starters, load, rounds }, { ceph, own }) {
  const twin = await starters.mediadock({ ...settingsOf(ceph), DATABASE_URL: databaseUrlOf(own) });
  const [one, two] = [await forwardingNginx(own.url), await forwardingNginx(own.url, twin.url)];
  const time = (/** @type {string} */ url) => async () => median((await load({ ...own, url }, FILE)).times);
  try {
    await load({ ...own, url: twin.url }, WARM_UP);
    const [both, alone, behind] = await inTurn(rounds, [time(two.url), time(own.url), time(one.url)]);
    return [
      row('a chunk, two servers behind nginx in turn / one server', 'ms', both, alone),
      row('a chunk, two servers behind nginx in turn / one behind nginx', 'ms', both, behind),
    ];
  } finally {
    await Promise.all([one, two, twin].map((started) => started.stop()));
  }
}

/** All at once: uploads of 50 MiB with their completions, and downloads of 50 MiB. @param {Tools} tools @param {Place} place */
async function memory({ load }, { own }) {
  const [url] = (await load(own, { ...FILE, complete: true })).urls;
  await Promise.all([
    load(own, { ...FILE, uploads: MANY, complete: true }),
    load(own, { url, requests: 1, connections: MANY }),
  ]);
  return { measured: `${MANY} uploads and ${MANY} downloads of 50 MiB`, 'peak MB': await peakMb(own.pid) };
}

/**
 * Round by round, so that a noisy minute hits all alike; the first one is to warm up.
 * @template {(() => Promise<number>)[]} Sides
 * @param {number} rounds @param {[...Sides]} sides @returns {Promise<{ [I in keyof Sides]: number[] }>}
 */
async function inTurn(rounds, sides) {
  const figures = sides.map(() => /** @type {number[]} */ ([]));
  for (let round = 0; round <= rounds; round++)
    for (const [i, measure] of sides.entries()) {
      const figure = await measure();
      if (round > 0) figures[i]?.push(figure);
    }
  return /** @type {any} */ (figures);
}

/** Medians, and that of the ratios within the rounds. @param {string} measured @param {string} unit @param {number[]} figures @param {number[]} peers */
function row(measured, unit, figures, peers) {
  const ratios = figures.map((figure, round) => figure / (peers[round] ?? Number.NaN));
  return {
    measured,
    unit,
    figure: median(figures),
    peer: median(peers),
    ratio: median(ratios),
    'least ratio': Math.min(...ratios),
    'largest ratio': Math.max(...ratios),
  };
}
