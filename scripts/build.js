// @ts-check
// `npm run build`: compiles the server and the client into their dist/, unless their sources are unchanged since the
// last build. `npm run types` checks types.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

/** @typedef {{ root: string, folders: string[], out: string }} Target */
/** @typedef {Map<string, string>} Texts by path */

/** @type {Target[]} */
const TARGETS = [
  { root: '.', folders: ['src', 'migrations'], out: 'dist' },
  { root: 'packages/client/src', folders: ['.'], out: 'packages/client/dist' },
];
/** The build depends on these besides the sources. The lockfile has the version of the compiler. */
const SETTINGS = ['.swcrc', 'package-lock.json', 'scripts/build.js'];
const STAMP = '.stamp';

// The same check as in src/node-version.ts: `npm start` runs this script first.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Mediadock needs Node.js 20.19 or newer, but this is ${process.versions.node}. Please upgrade.`,
  );
  process.exit(1);
}

process.chdir(join(import.meta.dirname, '..'));
await Promise.all(TARGETS.map(build));

/** @param {Target} target */
async function build({ root, folders, out }) {
  const found = await Promise.all(folders.map((folder) => filesIn(join(root, folder))));
  const sources = await read(found.flat().filter((path) => !path.endsWith('.spec.ts')));
  const stamp = hashOf(await read(SETTINGS), sources);
  if ((await readFile(join(out, STAMP), 'utf8').catch(() => '')) === stamp) return;

  const outputs = await compile(sources, (path) => join(out, relative(root, path)));
  await replace(out, outputs, stamp).catch((error) => cannotWrite(out, error));
}

/** @param {string} folder */
async function filesIn(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

/** @param {readonly string[]} paths @returns {Promise<Texts>} */
async function read(paths) {
  const texts = paths.map(async (path) => /** @type {const} */ ([path, await readFile(path, 'utf8')]));
  return new Map(await Promise.all(texts));
}

/** @param {Texts[]} all */
function hashOf(...all) {
  const files = all.flatMap((texts) => [...texts]).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(files)).digest('hex');
}

/** @param {Texts} sources @param {(path: string) => string} placeOf @returns {Promise<Texts>} */
async function compile(sources, placeOf) {
  // Loaded on demand, so that a built server also starts after `npm prune --omit=dev`.
  const { transform } = await import('@swc/core');
  const outputs = [...sources].map(async ([path, text]) => {
    if (!path.endsWith('.ts')) return /** @type {const} */ ([placeOf(path), text]);
    const { code } = await transform(text, { filename: path });
    return /** @type {const} */ ([placeOf(path).replace(/ts$/, 'js'), code]);
  });
  return new Map(await Promise.all(outputs));
}

/** @param {string} out @param {Texts} outputs @param {string} stamp */
async function replace(out, outputs, stamp) {
  await removeOthers(out, outputs);
  for (const [path, text] of outputs) await write(path, text);
  await writeFile(join(out, STAMP), stamp);
}

/** As after `sudo npm start`. @param {string} out @param {NodeJS.ErrnoException} error @returns {never} */
function cannotWrite(out, error) {
  if (error.syscall === undefined) throw error;
  console.error(`${out} cannot be written to (${error.message}): run \`npm run build\` as its owner`);
  process.exit(1);
}

/** Also removes the stamp, so an interrupted build has none. @param {string} out @param {Texts} outputs */
async function removeOthers(out, outputs) {
  const present = await filesIn(out).catch(() => []);
  await Promise.all(present.filter((path) => !outputs.has(path)).map((path) => rm(path, { force: true })));
}

/**
 * Leaves unchanged files alone, because a running server may still load them.
 * @param {string} path @param {string} text
 */
async function write(path, text) {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
