import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { setPriority } from 'node:os';
import { CharsetDetector } from './charset.js';

/** One per worker. A new 1 MiB block for each file let garbage of the text decoder grow to 65 MB. */
const block = Buffer.allocUnsafeSlow(128 * 1024);

try {
  // On Linux a thread has a priority of its own. Chunks have priority over completions.
  if (process.platform === 'linux') setPriority(5);
} catch {
  // A sandbox forbids it.
}

/**
 * One pass over the first `size` bytes of an open file, in a worker thread, where synchronous calls block nobody.
 * JavaScript, since the tests run the sources and a worker loads its file without their compiler.
 * @param {{ fd: number, size: number }} task
 * @returns {{ size: number, md5: string, sha256: string, charset: string | null }} hex digests; `size` is what could be read
 */
export default function digest({ fd, size }) {
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  const text = new CharsetDetector();
  let read = 0;
  while (read < size) {
    const length = readSync(fd, block, 0, Math.min(block.length, size - read), read);
    if (length === 0) break;
    const bytes = block.subarray(0, length);
    md5.update(bytes);
    sha256.update(bytes);
    text.update(bytes);
    read += length;
  }
  text.end();
  return { size: read, md5: md5.digest('hex'), sha256: sha256.digest('hex'), charset: text.charset };
}
