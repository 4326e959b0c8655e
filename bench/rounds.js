// @ts-check
import { median } from './figures.js';

/** @typedef {import('./servers.js').Target} Target */
/** @typedef {import('./scenarios.js').Row} Row */
/** @typedef {import('./main.js').Compared} Compared */

/**
 * The median of the ratios within each round. Noise that affects both sides cancels out.
 * @param {Compared} own @param {Compared} peer @param {string} figure
 */
export function paired(own, peer, figure) {
  return median(own.rounds.map((round, i) => ratio(round, peer.rounds[i] ?? {}, figure)));
}

/** @param {Row} a @param {Row} b @param {string} figure @returns {number} */
export function ratio(a, b, figure) {
  return Number(a[figure]) / Number(b[figure]);
}

/** @param {Target[]} targets */
export async function stopAll(targets) {
  await Promise.all(targets.map((target) => target.stop()));
}
