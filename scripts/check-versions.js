// @ts-check
// `npm run versions`: no copy of a package in the lockfiles is older than the version that mended a known flaw, lockfiles name
// no registry, and install scripts run by name only. Offline: `known-fixes.json` has, for each advisory, the first good version
// of each major line.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = join(import.meta.dirname, '..');

/** @typedef {Record<string, Record<string, string[]>>} Fixes by package and advisory */
/** @typedef {{ packages: Record<string, { version?: string, resolved?: string, hasInstallScript?: boolean, link?: boolean }> }} Lockfile */

/** @param {Lockfile} lockfile @param {Fixes} fixes @returns {string[]} what is wrong */
export function outdated({ packages }, fixes) {
  return Object.entries(packages).flatMap(([path, { version }]) => {
    const name = path.replace(/^.*node_modules\//, '');
    return Object.entries(fixes[name] ?? {})
      .filter(([, fixed]) => version !== undefined && !isMended(version, fixed))
      .map(([advisory, fixed]) => `${path} ${version}: ${advisory} is mended in ${fixed.join(', ')}`);
  });
}

/** A line without a fix of its own is good only if it is newer than all that needed one. @param {string} version @param {string[]} fixed */
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
  for (const path of ['package-lock.json', 'bench/package-lock.json']) {
    const lockfile = await json(path);
    const found = [...outdated(lockfile, fixes), ...untold(lockfile, allowScripts)];
    faults.push(...found.map((fault) => `${path}: ${fault}`));
  }
  for (const fault of faults) console.error(fault);
  if (faults.length === 0) console.log('No package is older than a fix that is known');
  process.exitCode = faults.length === 0 ? 0 : 1;
}
