// @ts-check
import { execFile } from 'node:child_process';
import { cp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../cluster/guard.js';

const SOURCES = [
  'src',
  'migrations',
  'scripts',
  '.swcrc',
  'package.json',
  'package-lock.json',
  'packages/client/src',
];

/**
 * Replaces a text in `src`. The text must occur exactly once: in all files, or in files of that name.
 * @typedef {{ file?: string, from: string, to: string }} Patch
 */

/**
 * Builds a patched copy of a checkout, and removes it afterwards.
 * @template T @param {string} from @param {readonly Patch[]} patches
 * @param {(checkout: string) => AsyncGenerator<T>} work
 */
export async function* inPatched(from, patches, work) {
  const checkout = temporaryDirectory('mediadock-checkout-');
  try {
    for (const source of SOURCES) await cp(join(from, source), join(checkout, source), { recursive: true });
    await symlink(join(resolve(from), 'node_modules'), join(checkout, 'node_modules'));
    for (const patch of patches) await apply(checkout, patch);
    await promisify(execFile)(process.execPath, [join(checkout, 'scripts/build.js')]);
    yield* work(checkout);
  } finally {
    await rm(checkout, { recursive: true, force: true });
  }
}

/** @param {string} checkout @param {Patch} patch */
async function apply(checkout, patch) {
  const [path, text] = await placeOf(checkout, patch);
  await writeFile(
    path,
    text.replace(patch.from, () => patch.to),
  );
}

/**
 * The path and the content of the file that a patch changes. Fails unless its text occurs exactly once.
 * @param {string} checkout @param {Pick<Patch, 'file' | 'from'>} patch @returns {Promise<readonly [string, string]>}
 */
export async function placeOf(checkout, { file = '.ts', from }) {
  const names = await readdir(join(checkout, 'src'), { recursive: true });
  const paths = names.filter((name) => name.endsWith(file)).map((name) => join(checkout, 'src', name));
  const texts = await Promise.all(
    paths.map(async (path) => /** @type {const} */ ([path, await readFile(path, 'utf8')])),
  );
  const found = texts.flatMap(([path, text]) => Array(text.split(from).length - 1).fill([path, text]));
  if (found.length !== 1)
    throw new Error(`src has this ${found.length} times instead of once. Fix the patch: ${from}`);
  return found[0];
}
