// @ts-check
// `node crash/model/main.js [--all]`: explores the design and its broken variants. `--break NAME` explores one variant,
// and prints the shortest path to the violation. The exit code is 0 if the design holds and each variant was caught.
import { parseArgs } from 'node:util';
import { explore } from './explore.js';
import { partsModel } from './parts.js';
import { AMENDMENTS, design, RULES } from './rules.js';
import { LARGE, SMALL } from './scenarios.js';
import { SLOW_VARIANTS, SPARE, VARIANTS, WEAKNESSES } from './variants.js';

const { values } = parseArgs({
  options: { all: { type: 'boolean', default: false }, break: { type: 'string' } },
});

process.exitCode = (values.break === undefined ? runAll() : runOne(values.break)) ? 0 : 1;

/** Runs everything, even after a failure. */
function runAll() {
  const variants = values.all ? [...VARIANTS, ...SLOW_VARIANTS] : VARIANTS;
  const verdicts = [
    runDesign(values.all ? LARGE : SMALL),
    ...variants.map(runVariant),
    ...(values.all ? SPARE.map(runSpare) : []),
    ...WEAKNESSES.map(runWeakness),
  ];
  return verdicts.every(Boolean);
}

/** @param {Record<string, import('./scenarios.js').Scenario>} scenarios */
function runDesign(scenarios) {
  const verdicts = Object.entries(scenarios).map(([name, scenario]) => {
    const verdict = explore(partsModel({ ...scenario, rules: design() }));
    console.log(`  ${name}: ${told(verdict)}`);
    printTrace(verdict);
    return verdict;
  });
  const states = verdicts.reduce((sum, verdict) => sum + verdict.states, 0);
  const violation = verdicts.find((verdict) => verdict.violation)?.violation;
  console.log(`design ${told({ states, violation })}`);
  return violation === undefined;
}

/** @param {import('./variants.js').Variant} variant */
function runVariant({ name, rule, scenario }) {
  const { states, violation } = explore(partsModel({ ...scenario, rules: design({ without: rule }) }));
  console.log(`${name}: ${violation ? 'caught after' : 'NOT CAUGHT in'} ${count(states)}`);
  return violation !== undefined;
}

/** @param {import('./variants.js').Variant} variant */
function runSpare({ name, rule, scenario }) {
  const verdict = explore(partsModel({ ...scenario, rules: design({ without: rule }) }));
  console.log(`spare, ${name}: ${told(verdict)}`);
  return verdict.violation === undefined;
}

/** @param {import('./variants.js').Weakness} weakness */
function runWeakness({ name, amendment, scenario }) {
  const before = explore(partsModel({ ...scenario, rules: design() }));
  const after = explore(partsModel({ ...scenario, rules: design({ amended: amendment }) }));
  const found = before.violation ? 'shown after' : 'NOT SHOWN in';
  console.log(`weakness, ${name}: ${found} ${count(before.states)}; with ${amendment} ${told(after)}`);
  return before.violation !== undefined && after.violation === undefined;
}

/** @param {string} name */
function runOne(name) {
  const variant = [...VARIANTS, ...SLOW_VARIANTS, ...SPARE].find((known) => known.name === name);
  const weakness = WEAKNESSES.find((known) => known.name === name);
  const scenario = variant?.scenario ?? weakness?.scenario;
  if (!scenario) return unknown(name);
  const rules = variant ? design({ without: variant.rule }) : design();
  const verdict = explore(partsModel({ ...scenario, rules }));
  const broken = variant ? RULES[variant.rule] : undefined;
  const wanted = weakness && AMENDMENTS[weakness.amendment];
  console.log(`${name}: ${told(verdict)}\n${broken ? `Broken: ${broken}` : `Missing: ${wanted}`}`);
  printTrace(verdict);
  return verdict.violation !== undefined;
}

/** @param {string} name */
function unknown(name) {
  const names = [...VARIANTS, ...SLOW_VARIANTS, ...SPARE, ...WEAKNESSES].map((known) => known.name);
  console.error(`No variant "${name}": choose one of ${names.join(', ')}`);
  return false;
}

/** @param {import('./explore.js').Verdict} verdict */
function printTrace({ trace }) {
  for (const label of trace) console.log(`    ${label}`);
}

/** @param {Pick<import('./explore.js').Verdict, 'states' | 'violation'>} verdict */
function told({ states, violation }) {
  return `${count(states)}, ${violation ? `VIOLATION: ${violation}` : 'no violation'}`;
}

/** @param {number} states */
function count(states) {
  return `${states.toLocaleString('en-US')} states`;
}
