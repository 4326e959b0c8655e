// @ts-check
import { ANNOUNCING, LARGE, SHORT, SMALL } from './scenarios.js';

/** @typedef {import('./scenarios.js').Scenario} Scenario */

/**
 * The design without one rule.
 * @typedef {{ name: string, rule: import('./rules.js').Rule, scenario: Scenario }} Variant
 */

/** Must be caught. @type {readonly Variant[]} */
export const VARIANTS = [
  { name: 'foreign-part', rule: 'ownParts', scenario: SMALL.chunks },
  { name: 'no-compare', rule: 'compareOffset', scenario: SMALL.chunks },
  { name: 'no-part-in-compare', rule: 'comparePart', scenario: SMALL.mending },
  { name: 'no-part-in-compare-at-a-tail', rule: 'comparePart', scenario: SMALL.announcing },
  { name: 'reuse-failed-part', rule: 'leaveFailedParts', scenario: SMALL.chunks },
  { name: 'drop-unanswered-part', rule: 'leaveUnansweredParts', scenario: SMALL.chunks },
  { name: 'no-fence', rule: 'fence', scenario: SMALL.announcing },
  { name: 'no-look-at-fence', rule: 'look', scenario: SMALL.announcing },
  { name: 'trust-old-sync', rule: 'rewriteTails', scenario: SMALL.announcing },
  { name: 'no-deadline', rule: 'deadline', scenario: SMALL.sweeping },
  { name: 'no-age', rule: 'orphanAge', scenario: SMALL.sweeping },
  { name: 'files-before-state', rule: 'endRowFirst', scenario: SMALL.ending },
  { name: 'no-look-at-state', rule: 'compareState', scenario: SMALL.completing },
  { name: 'publish-before-lock', rule: 'publishUnderLock', scenario: SMALL['two versions'] },
  { name: 'media-before-sync', rule: 'publishDurably', scenario: SMALL.completing },
  { name: 'clean-before-commit', rule: 'cleanAfterCommit', scenario: SMALL.completing },
  { name: 'no-look-at-parts', rule: 'compareParts', scenario: SMALL['mending and completing'] },
  { name: 'mend-without-compare', rule: 'compareMended', scenario: SMALL['mending and completing'] },
];

/** Must be caught, but each takes a minute. @type {readonly Variant[]} */
export const SLOW_VARIANTS = [
  { name: 'adopt-any-tail', rule: 'compareTail', scenario: LARGE['mending and announcing'] },
];

/** Rules that no invariant of the model depends on. @type {readonly Variant[]} */
export const SPARE = [
  { name: 'no-take-back', rule: 'takeBack', scenario: SMALL.announcing },
  { name: 'no-disowning', rule: 'disownMended', scenario: LARGE['mending and announcing'] },
];

/**
 * What the design withstands only with an amendment.
 * @typedef {{ name: string, amendment: import('./rules.js').Amendment, scenario: Scenario }} Weakness
 */

/** @type {readonly Weakness[]} */
export const WEAKNESSES = [
  // A frozen completion thaws, and renames its file over that of a media row. Two versions of the server strip
  // metadata differently.
  {
    name: 'one-key-two-versions',
    amendment: 'ownKeys',
    scenario: { ...SHORT, forms: true, left: { chunks: 1, completions: 2, crashes: 1, thaws: 1, times: 1 } },
  },
  // The same, with a link to a part that was damaged meanwhile.
  {
    name: 'one-key-and-damage',
    amendment: 'ownKeys',
    scenario: { ...SHORT, offset: 2, left: { chunks: 1, completions: 2, damages: 1, fscks: 1, thaws: 1 } },
  },
  // A server continues a file that was truncated or removed, and fsck takes the hole for bytes.
  {
    name: 'damage-under-a-writer',
    amendment: 'measure',
    scenario: { ...ANNOUNCING, contents: 1, strict: true, left: { chunks: 2, damages: 1, fscks: 1 } },
  },
];
