// @ts-check
// `npm run fuzz [-- --seconds 60 | --requests 1000000] [--seed S] [--only multipart,raw] [--replay SEED:CLASS:INDEX]`
import { parseArgs } from 'node:util';
import { Random } from '../crash/random.js';
import { json } from './cases/json.js';
import { multipart } from './cases/multipart.js';
import { operations } from './cases/operations.js';
import { contentRange } from './cases/range.js';
import { raw } from './cases/raw.js';
import { tokens } from './cases/tokens.js';
import { wholeNumber } from '../scripts/whole-number.js';
import { Client, Ledger } from './client.js';
import { Watch } from './watch.js';
import { Contract } from './schema.js';
import { Server } from './server.js';

const CASES = { multipart, range: contentRange, json, tokens, operations, raw };
const CLIENTS = 12;
/** Between two checks of what the server holds. */
const ROUND_MS = 10_000;
const WARM_REQUESTS = 20_000;
const WARM_SHARE = 1 / 4;
const SHOWN = 20;
/** More findings would hardly be new. */
const MOST_FINDINGS = 1000;

/** @typedef {keyof typeof CASES} Name */

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    requests: { type: 'string' },
    seed: { type: 'string', default: String(Date.now()) },
    only: { type: 'string', default: Object.keys(CASES).join() },
    replay: { type: 'string' },
  },
});
const seconds = wholeNumber('--seconds', values.seconds);
const requests = values.requests === undefined ? Infinity : wholeNumber('--requests', values.requests);
const names = /** @type {Name[]} */ (values.only.split(','));
const unknown = names.find((name) => !(name in CASES));
if (unknown !== undefined)
  throw new Error(`Unknown class ${unknown}. Choose from ${Object.keys(CASES).join(', ')}`);

const server = await Server.start();
const ledger = new Ledger(await Contract.read());
const watch = new Watch(server);
try {
  process.exitCode = (await run()) ? 0 : 1;
} finally {
  watch.stop();
  await server.stop();
}

async function run() {
  const started = performance.now();
  /** @type {string[]} */
  const faults = [];
  if (values.replay) await replay(values.replay);
  else faults.push(...(await rounds()));
  const lasted = (performance.now() - started) / 1000;
  const all = [...faults, ...(server.running ? watch.faults() : ['The server is dead'])];
  report(lasted, all);
  return all.length === 0 && ledger.findings.length === 0;
}

/** Replays one case on a fresh server. @param {string} spec SEED:CLASS:INDEX */
async function replay(spec) {
  const [seed = '', name = '', index = ''] = spec.split(':');
  const client = new Client(server.port, ledger, 1);
  const random = new Random(`${seed}:${name}:${index}`);
  await client.play(name, Number(index), CASES[/** @type {Name} */ (name)], random);
  client.close();
}

/** Runs until time or requests are used up. Between the rounds, nothing may be left over. */
async function rounds() {
  const end = requests < Infinity ? Infinity : Date.now() + seconds * 1000;
  const clients = Array.from({ length: CLIENTS }, (_, index) => new Client(server.port, ledger, index + 1));
  const faults = [];
  let next = 0;
  // The first cases fill pools and compile code, so the baseline is measured after them.
  const warm = Date.now() + WARM_SHARE * (end - Date.now());
  next = await round(clients, next, () => ledger.requests < WARM_REQUESTS && Date.now() < warm);
  faults.push(...(await watch.level(ledger)));
  while (server.running && ledger.requests < requests && Date.now() < end) {
    const until = Math.min(end, Date.now() + ROUND_MS);
    const first = next;
    next = await round(clients, next, () => ledger.requests < requests && Date.now() < until);
    const left = await watch.leftovers(ledger);
    faults.push(...left.map((what) => `after the cases ${first} to ${next - 1}: ${what}`));
    progress(left.length);
    if (ledger.findings.length > MOST_FINDINGS) break;
  }
  return faults;
}

/**
 * @param {Client[]} clients @param {number} first @param {() => boolean} goOn
 * @returns {Promise<number>} index of the next case
 */
async function round(clients, first, goOn) {
  let next = first;
  await Promise.all(
    clients.map(async (client) => {
      while (goOn() && server.running) {
        const index = next++;
        const name = /** @type {Name} */ (names[index % names.length]);
        await client.play(name, index, CASES[name], new Random(`${values.seed}:${name}:${index}`));
      }
      client.close();
    }),
  );
  return next;
}

/** @param {number} left */
function progress(left) {
  const { requests, findings } = ledger;
  console.log(`${requests} requests, ${findings.length} findings, ${left} leftovers, ${watch.line()}`);
}

/** @param {number} seconds @param {string[]} faults */
function report(seconds, faults) {
  for (const { name, index, what, bytes } of ledger.findings.slice(0, SHOWN)) {
    console.log(`\n${what}\n  node fuzz/main.js --replay ${values.seed}:${name}:${index}`);
    console.log(`  ${JSON.stringify(bytes.subarray(0, 2000).toString('latin1'))}`);
  }
  for (const what of faults) console.log(what);
  for (const [what, count] of ledger.undocumented)
    console.log(`not in openapi.json: ${what} (${count} times)`);
  console.log(
    JSON.stringify({
      seed: values.seed,
      seconds: Math.round(seconds),
      requests: ledger.requests,
      findings: ledger.findings.length,
      faults: faults.length,
      cut: ledger.cut,
      ...watch.figures(),
      slowest: ledger.slowest,
      statuses: Object.fromEntries([...ledger.statuses].sort()),
    }),
  );
}
