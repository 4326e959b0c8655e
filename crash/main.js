// @ts-check
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { adoption } from './layers/adoption.js';
import { cancel } from './layers/cancel.js';
import { events } from './layers/events.js';
import { failover } from './layers/failover.js';
import { freeze } from './layers/freeze.js';
import { both, kill, postgres } from './layers/kill.js';
import { model } from './layers/model.js';
import { order } from './layers/order.js';
import { outcomes } from './layers/outcomes.js';
import { power } from './layers/power.js';
import { race } from './layers/race.js';
import { s3 } from './layers/s3.js';
import { settings } from './layers/settings.js';
import { stop } from './layers/stop.js';
import { store } from './layers/store.js';
import { sweep } from './layers/sweep.js';
import { sync } from './layers/sync.js';
import { errors, syscalls } from './layers/syscalls.js';
import { turns } from './layers/turns.js';
import { wholeNumber } from '../scripts/whole-number.js';
import { Place } from './place.js';
import { summary } from './report.js';

/** @typedef {(options: import('./report.js').Options) => AsyncGenerator<import('./report.js').Line>} Layer */

/** @type {Record<string, Layer>} */
const LAYERS = {
  model,
  order,
  kill,
  postgres,
  both,
  cancel,
  settings,
  syscalls,
  adoption,
  errors,
  outcomes,
  power,
  sync,
  race,
  turns,
  freeze,
  sweep,
  stop,
  failover,
  store,
  s3,
  events,
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string' },
    seconds: { type: 'string', default: '600' },
    // Ends a layer with the first run that shows a violation.
    'fail-fast': { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now()) },
    dir: { type: 'string', default: resolve(import.meta.dirname, '..') },
  },
});

/** @type {Promise<never> | undefined} */
let clearing;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => (clearing ??= clearAway()));

const [asked = 'short', ...more] = positionals;
if (more.length > 0) fail(`One layer at a time, not "${positionals.join(' ')}"`);
const seconds = wholeNumber('--seconds', values.seconds);
const givenRuns = values.runs === undefined ? undefined : wholeNumber('--runs', values.runs);
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
  const options = {
    checkout: resolve(values.dir),
    seed: values.seed,
    seconds,
    runs: givenRuns ?? (short ? 1 : undefined),
    short,
  };
  try {
    for await (const line of layer(options)) {
      lines.push(line);
      console.log(JSON.stringify(line));
      if (values['fail-fast'] && line.violations?.length) break;
    }
  } finally {
    // The cleanup ends the process. Removing its directory may have failed the layer.
    await clearing;
  }
  const last = summary(name, lines);
  console.log(JSON.stringify(last));
  return last.ok;
}

/** Stops everything that was started, even if the harness is interrupted. @returns {Promise<never>} */
async function clearAway() {
  await Promise.all([...Place.all].map((place) => place.remove()));
  process.exit(130);
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(2);
}
