// @ts-check
// `npm run crash:mutants`: breaks copies of the server on purpose, each by one rule of durability, and fails unless a
// layer notices each of them. A harmless copy must go unnoticed. `-- --only NAME` runs one; `-- --first` stops at the
// first layer that notices.
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { inPatched } from './checkout.js';
import { MUTANTS } from './mutations.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    first: { type: 'boolean', default: false },
    seed: { type: 'string', default: 'mutants' },
    dir: { type: 'string', default: resolve(import.meta.dirname, '..') },
  },
});

/** @type {import('node:child_process').ChildProcess | undefined} */
let running;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    process.exitCode = 130;
    running?.kill('SIGTERM');
  });
}

const chosen = MUTANTS.filter(({ name }) => values.only === undefined || name === values.only);
let ok = chosen.length > 0;
if (!ok) console.error(`There is no mutant "${values.only}"`);
for (const mutant of chosen) {
  const line = await judge(mutant);
  ok &&= line.ok;
  console.log(JSON.stringify(line));
}
process.exitCode ??= ok ? 0 : 1;

/** @param {import('./mutations.js').Mutant} mutant */
async function judge({ name, patches, layers, harmless = false }) {
  const start = performance.now();
  /** @type {Record<'caught' | 'missed' | 'skipped', string[]>} */
  const by = { caught: [], missed: [], skipped: [] };
  /** @type {unknown} */
  let example;
  const inTurn = async function* (/** @type {string} */ checkout) {
    for (const layer of layers) yield { layer, ...(await run(checkout, layer)) };
  };
  for await (const { layer, verdict, violation } of inPatched(values.dir, patches, inTurn)) {
    by[verdict].push(layer.split(' ')[0] ?? '');
    example ??= violation;
    if (values.first && verdict === 'caught') break;
  }
  const seconds = Math.round((performance.now() - start) / 1000);
  return {
    mutant: name,
    caught_by: by.caught,
    missed_by: by.missed,
    skipped: by.skipped,
    seconds,
    example,
    ok: harmless ? by.caught.length === 0 : by.caught.length > 0,
  };
}

/**
 * @param {string} checkout @param {string} layer
 * @returns {Promise<{ verdict: 'caught' | 'missed' | 'skipped', violation?: unknown }>}
 */
async function run(checkout, layer) {
  const args = [
    join(import.meta.dirname, 'main.js'),
    ...layer.split(' '),
    '--seed',
    values.seed,
    '--seconds',
    '300',
    '--fail-fast',
    '--dir',
    checkout,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  running = child;
  let [output, errors] = ['', ''];
  child.stderr.on('data', (text) => (errors += text));
  for await (const text of child.stdout) output += text;
  const lines = output
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const last = lines.find(({ summary }) => summary);
  // A crash of the harness does not count as noticing.
  if (!last) throw new Error(`${layer} ended without a summary:\n${errors.slice(-2000)}`);
  if (!last.ok)
    return { verdict: 'caught', violation: lines.flatMap(({ violations = [] }) => violations)[0] };
  return { verdict: last.skipped && !last.uploads ? 'skipped' : 'missed' };
}
