// @ts-check
// Loaded into the server before its own code (NODE_OPTIONS=--import): upload ids become predictable, so that strace can
// be told beforehand which files to watch. The n-th id of a process is `uploadId(seed, n)`.
import crypto, { createHash } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

const ID_BYTES = 16;

/** @param {string} seed @param {number} n from 0 */
export function uploadId(seed, n) {
  return createHash('sha256')
    .update(`${seed} ${n}`)
    .digest('hex')
    .slice(0, 2 * ID_BYTES);
}

/** As the server derives it. @param {string} id */
export function fileKey(id) {
  return createHash('sha256').update(`mediadock file ${id}`).digest('hex').slice(0, 32);
}

const seed = process.env['CRASH_IDS'];
if (seed !== undefined) {
  const { randomBytes } = crypto;
  let made = 0;
  crypto.randomBytes = /** @type {any} */ (
    /** @type {(size: number, callback?: any) => any} */
    (size, callback) =>
      size === ID_BYTES ? Buffer.from(uploadId(seed, made++), 'hex') : randomBytes(size, callback)
  );
  syncBuiltinESMExports();
}
