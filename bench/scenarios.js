// @ts-check
import { costs, manySessions, sideBySide } from './scenarios/chunks.js';
import { fairness, thumbnails } from './scenarios/fairness.js';
import { complete, download } from './scenarios/files.js';
import { objectStore } from './scenarios/object-store.js';
import { readers } from './scenarios/readers.js';
import { slowSockets, soak, start, status, workers } from './scenarios/server.js';
import { webhooks } from './scenarios/webhooks.js';

/** @typedef {import('./servers.js').Target} Target */
/** @typedef {Record<string, string | number>} Row */
/** @typedef {import('./main.js').Compared} Compared */
/**
 * @typedef {{
 *   rounds: number,
 *   compare: (targets: Target[], rounds: number, task: { uploads: number, chunks: number }) => Promise<import('./main.js').Compared[]>,
 *   load: (target: Target, task: object) => Promise<any>,
 *   starters: { mediadock: (settings?: Record<string, string>) => Promise<Target>, tus: () => Promise<Target>, floor: () => Promise<Target> },
 * }} Tools
 */
/** @typedef {{ rows: Row[], ratios: Record<string, number> }} Outcome */

/** @type {Record<string, (tools: Tools) => Promise<Outcome>>} */
export const SCENARIOS = {
  serial: (tools) => sideBySide(tools, { uploads: 1, chunks: 256 }),
  'parallel-8': (tools) => sideBySide(tools, { uploads: 8, chunks: 64 }),
  'parallel-64': (tools) => sideBySide(tools, { uploads: 64, chunks: 8 }),
  'parallel-256': (tools) => sideBySide(tools, { uploads: 256, chunks: 4 }),
  complete,
  download,
  readers,
  status,
  start,
  'many-sessions': manySessions,
  'slow-sockets': slowSockets,
  workers,
  costs,
  fairness,
  thumbnails,
  webhooks,
  'object-store': objectStore,
  soak,
};
