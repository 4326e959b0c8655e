// @ts-check
import { complaints } from './oracles.js';

/**
 * @typedef {object} Options of a layer, from the command line
 * @property {string} checkout
 * @property {string} seed
 * @property {number | undefined} runs
 * @property {number} seconds time limit of one run, after which it counts as stuck
 * @property {boolean} short
 *
 * @typedef {Record<string, unknown> & { layer: string, violations?: import('./oracles.js').Violation[] }} Line
 */

/**
 * The figures of one run.
 * @param {readonly import('./upload.js').Upload[]} uploads
 * @param {readonly import('./oracles.js').Violation[]} violations
 */
export function figures(uploads, violations) {
  const all = [...violations, ...complaints(uploads)];
  /** @param {string} kind */
  const count = (kind) => all.filter((violation) => violation.kind === kind).length;
  return {
    uploads: uploads.length,
    completed: uploads.filter(({ done }) => done).length,
    acked_bytes: uploads.reduce((sum, { acked }) => sum + acked, 0),
    resumed: uploads.reduce((sum, { resumed }) => sum + resumed, 0),
    lost: count('lost'),
    wrong: count('wrong'),
    doubled: count('doubled'),
    orphans: count('orphan'),
    refused: count('refused'),
    stuck: count('stuck'),
    violations: all.slice(0, 10),
  };
}

/** Sums of the numbers of all lines of a layer. @param {string} layer @param {readonly Line[]} lines */
export function summary(layer, lines) {
  /** @type {Record<string, number>} */
  const sums = {};
  for (const [name, value] of lines.flatMap((line) => Object.entries(line))) {
    if (typeof value === 'number' && name !== 'run')
      sums[name] = Math.round(((sums[name] ?? 0) + value) * 10) / 10;
  }
  const violations = lines.reduce((sum, line) => sum + (line.violations?.length ?? 0), 0);
  const skipped = lines.find((line) => 'skipped' in line)?.['skipped'];
  return {
    layer,
    summary: true,
    runs: lines.length,
    ...sums,
    ...(skipped !== undefined && { skipped }),
    ok: lines.length > 0 && violations === 0,
  };
}

/**
 * Some runs make fewer calls or statements than the one that counted them, so their fault does not come about. A layer
 * of which that is true for most runs has tested nothing.
 * @param {number} runs @param {number} struck runs in which the fault came about
 * @returns {import('./oracles.js').Violation[]}
 */
export function seldomStruck(runs, struck) {
  if (2 * struck >= runs) return [];
  return [{ kind: 'stuck', what: `the fault came about in ${struck} of ${runs} runs` }];
}
