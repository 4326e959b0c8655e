import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';

const BLOCK_BYTES = 1024 * 1024;

/**
 * One pass over the first `size` bytes of an open file, in a worker thread, where synchronous calls stand in nobody's
 * way. JavaScript, since the tests run the sources and a worker loads its file without their compiler.
 * @param {{ fd: number, size: number }} task
 * @returns {{ size: number, md5: string, sha256: string, utf8: boolean }} hex digests; `size` is what could be read
 */
export default function digest({ fd, size }) {
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  const utf8 = new Utf8Check();
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let read = 0;
  while (read < size) {
    const length = readSync(fd, block, 0, Math.min(BLOCK_BYTES, size - read), read);
    if (length === 0) break;
    const bytes = block.subarray(0, length);
    md5.update(bytes);
    sha256.update(bytes);
    utf8.update(bytes);
    read += length;
  }
  return { size: read, md5: md5.digest('hex'), sha256: sha256.digest('hex'), utf8: utf8.end() };
}

/** Whether all bytes are valid UTF-8; gives up at the first that are not. */
class Utf8Check {
  decoder = new TextDecoder('utf-8', { fatal: true });
  valid = true;

  /** @param {Buffer} bytes */
  update(bytes) {
    if (this.valid) this.decode(bytes, true);
  }

  end() {
    if (this.valid) this.decode(new Uint8Array(), false);
    return this.valid;
  }

  /** @param {Uint8Array} bytes @param {boolean} stream */
  decode(bytes, stream) {
    try {
      this.decoder.decode(bytes, { stream });
    } catch {
      this.valid = false;
    }
  }
}
