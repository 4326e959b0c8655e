// @ts-check
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { both, kill, postgres } from './layers/kill.js';
import { order } from './layers/order.js';
import { power } from './layers/power.js';
import { errors, syscalls } from './layers/syscalls.js';
import { summary } from './report.js';

/** @typedef {(options: import('./report.js').Options) => AsyncGenerator<import('./report.js').Line>} Layer */

/** @type {Record<string, Layer>} */
const LAYERS = { kill, postgres, both, order, syscalls, errors, power };

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string' },
    seconds: { type: 'string', default: '600' },
    'fail-fast': { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now()) },
    dir: { type: 'string', default: resolve(import.meta.dirname, '..') },
  },
});

const asked = positionals[0] ?? 'short';
const names = ['all', 'short'].includes(asked) ? Object.keys(LAYERS) : [asked];
let ok = true;
for (const name of names) {
  const layer = LAYERS[name];
  if (!layer) fail(`No layer "${name}": choose one of ${Object.keys(LAYERS).join(', ')}, all, short`);
  ok = (await runLayer(name, layer)) && ok;
}
process.exit(ok ? 0 : 1);

/** @param {string} name @param {Layer} layer */
async function runLayer(name, layer) {
  const lines = [];
  const short = asked === 'short';
  const runs = values.runs ? Number(values.runs) : short ? 1 : undefined;
  const options = { checkout: resolve(values.dir), seed: values.seed, seconds: Number(values.seconds), runs, short };
  for await (const line of layer(options)) {
    lines.push(line);
    console.log(JSON.stringify(line));
    if (values['fail-fast'] && line.violations?.length) break;
  }
  const last = summary(name, lines);
  console.log(JSON.stringify(last));
  return last.ok;
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(2);
}
