// @ts-check
// `npm run versions`, which works offline: fails if a package in a lockfile has a known vulnerability, if a lockfile
// names a registry, or if a package has an install script that is not listed. `known-fixes.json` has the first fixed
// version of each major version, by advisory.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = join(import.meta.dirname, '..');

/** @typedef {Record<string, Record<string, string[]>>} Fixes by package and advisory */
/**
 * @typedef {{ packages: Record<string, { version?: string, resolved?: string, hasInstallScript?: boolean, link?: boolean }> }} Lockfile
 */

/** @param {Lockfile} lockfile @param {Fixes} fixes @returns {string[]} what is wrong */
export function outdated({ packages }, fixes) {
  return Object.entries(packages).flatMap(([path, { version }]) => {
    const name = path.replace(/^.*node_modules\//, '');
    return Object.entries(fixes[name] ?? {})
      .filter(([, fixed]) => version !== undefined && !isMended(version, fixed))
      .map(([advisory, fixed]) => `${path} ${version}: ${advisory} is fixed in ${fixed.join(', ')}`);
  });
}

/**
 * A major version without a fix of its own must be newer than all fixed ones.
 * @param {string} version @param {string[]} fixed
 */
function isMended(version, fixed) {
  const major = (/** @type {string} */ text) => Number(text.split('.')[0]);
  const ofLine = fixed.find((first) => major(first) === major(version));
  return compare(version, ofLine ?? fixed.at(-1) ?? '0') >= 0;
}

/** @param {string} a @param {string} b */
function compare(a, b) {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** @param {Lockfile} lockfile @param {Record<string, boolean>} allowed @returns {string[]} */
export function untold({ packages }, allowed) {
  return Object.entries(packages).flatMap(([path, { resolved, hasInstallScript, link }]) => {
    const name = path.replace(/^.*node_modules\//, '');
    return [
      ...(resolved && !link && path.includes('node_modules/') ? [`${path} names a registry`] : []),
      ...(hasInstallScript && !(name in allowed)
        ? [`${path} has an install script that allowScripts does not name`]
        : []),
    ];
  });
}

/** @param {string} path */
async function json(path) {
  return JSON.parse(await readFile(join(ROOT, path), 'utf8'));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const fixes = await json('scripts/known-fixes.json');
  const { allowScripts } = await json('package.json');
  const faults = [];
  for (const path of [
    'package-lock.json',
    'bench/package-lock.json',
    'scripts/openapi-lint/package-lock.json',
  ]) {
    const lockfile = await json(path);
    const found = [...outdated(lockfile, fixes), ...untold(lockfile, allowScripts)];
    faults.push(...found.map((fault) => `${path}: ${fault}`));
  }
  for (const fault of faults) console.error(fault);
  if (faults.length === 0) console.log('No package has a known vulnerability');
  process.exitCode = faults.length === 0 ? 0 : 1;
}
