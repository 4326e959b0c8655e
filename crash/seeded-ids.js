// @ts-check
// Loaded into the server before its own code (NODE_OPTIONS=--import). Makes ids of uploads and names of parts
// predictable, so that strace can be told in advance which files to watch. The n-th id of a process is `uploadId(seed,
// n)`.
import crypto, { createHash } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

const ID_BYTES = 16;
/** The random suffix of a part's name. */
const SUFFIX_BYTES = 8;
/** More parts than one upload of the harness has in one process, so that suffixes may repeat. */
const SUFFIXES = 16;

/** @param {string} seed @param {number} n from 0 */
export function uploadId(seed, n) {
  return createHash('sha256')
    .update(`${seed} ${n}`)
    .digest('hex')
    .slice(0, 2 * ID_BYTES);
}

/**
 * All names that a process may give to a part or a scratch file of an upload.
 * @param {string} seed @param {string} id
 */
export function partNames(seed, id) {
  return Array.from({ length: SUFFIXES }, (_, n) => `${id}.${suffix(seed, n)}`);
}

/** @param {string} seed @param {number} n */
function suffix(seed, n) {
  return createHash('sha256')
    .update(`${seed} part ${n % SUFFIXES}`)
    .digest('hex')
    .slice(0, 2 * SUFFIX_BYTES);
}

const seed = process.env['CRASH_IDS'];
if (seed !== undefined) {
  const { randomBytes } = crypto;
  const made = { ids: 0, parts: 0 };
  crypto.randomBytes = /** @type {any} */ (
    /** @type {(size: number, callback?: any) => any} */
    (size, callback) => {
      if (size === ID_BYTES) return Buffer.from(uploadId(seed, made.ids++), 'hex');
      if (size === SUFFIX_BYTES) return Buffer.from(suffix(seed, made.parts++), 'hex');
      return randomBytes(size, callback);
    }
  );
  syncBuiltinESMExports();
}
