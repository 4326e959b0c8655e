// @ts-check

/** @typedef {Omit<import('./world.js').Setup, 'rules'>} Scenario */

/** @type {Omit<Scenario, 'left'>} */
const USUAL = {
  total: 3,
  offset: 1,
  contents: 2,
  servers: 2,
  announcing: false,
  forms: false,
  strict: false,
};
export const ANNOUNCING = { ...USUAL, announcing: true };
export const SHORT = { ...USUAL, total: 2 };

/** Some of everything, in seconds. */
export const SMALL = {
  chunks: { ...USUAL, left: { chunks: 4, crashes: 1, failures: 1 } },
  announcing: { ...ANNOUNCING, total: 4, left: { chunks: 3, crashes: 1, failures: 1 } },
  sweeping: { ...ANNOUNCING, left: { chunks: 2, statuses: 1, times: 1, failures: 1 } },
  completing: { ...SHORT, left: { chunks: 2, completions: 2, crashes: 1, thaws: 1, expiries: 1 } },
  'two versions': { ...SHORT, forms: true, left: { chunks: 1, completions: 2, crashes: 1, expiries: 1 } },
  mending: { ...USUAL, left: { chunks: 3, damages: 1, fscks: 2 } },
  ending: { ...ANNOUNCING, left: { chunks: 2, statuses: 1, crashes: 1, expiries: 1 } },
  'mending and announcing': { ...ANNOUNCING, left: { chunks: 2, damages: 1, fscks: 1 } },
  'mending and completing': { ...SHORT, left: { chunks: 3, completions: 1, damages: 1, fscks: 1 } },
};

/** More of it, in minutes. */
export const LARGE = {
  chunks: { ...USUAL, total: 4, servers: 3, left: { chunks: 4, crashes: 1, failures: 1 } },
  announcing: { ...ANNOUNCING, total: 4, left: { chunks: 4, statuses: 1, crashes: 1, failures: 1 } },
  'three announcing': {
    ...ANNOUNCING,
    servers: 3,
    left: { chunks: 3, statuses: 2, crashes: 1, failures: 1 },
  },
  sweeping: { ...ANNOUNCING, left: { chunks: 3, statuses: 1, times: 2, crashes: 1 } },
  completing: { ...SHORT, left: { chunks: 2, completions: 2, crashes: 1, thaws: 1, times: 1, expiries: 1 } },
  'three completing': { ...SHORT, servers: 3, left: { chunks: 1, completions: 3, crashes: 1, thaws: 1 } },
  mending: { ...USUAL, left: { chunks: 4, damages: 1, fscks: 2, crashes: 1 } },
  'mending and announcing': { ...ANNOUNCING, left: { chunks: 3, damages: 1, fscks: 1, failures: 1 } },
  'mending and completing': {
    ...SHORT,
    left: { chunks: 3, completions: 2, damages: 1, fscks: 1, expiries: 1 },
  },
};
