import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';

const BLOCK_BYTES = 1024 * 1024;

/**
 * One pass over the first `size` bytes of an open file, in a worker thread, where synchronous calls stand in nobody's
 * way. JavaScript, since the tests run the sources and a worker loads its file without their compiler.
 * @param {{ fd: number, size: number }} task
 * @returns {{ size: number, md5: string, sha256: string, text: boolean }} hex digests; `size` is what could be read
 */
export default function digest({ fd, size }) {
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  const text = new TextCheck();
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let read = 0;
  while (read < size) {
    const length = readSync(fd, block, 0, Math.min(BLOCK_BYTES, size - read), read);
    if (length === 0) break;
    const bytes = block.subarray(0, length);
    md5.update(bytes);
    sha256.update(bytes);
    text.update(bytes);
    read += length;
  }
  return { size: read, md5: md5.digest('hex'), sha256: sha256.digest('hex'), text: text.end() };
}

/** White space and escape (ANSI colours in logs) occur in text; NUL and others do not. */
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\0-\x08\x0b\x0e-\x1a\x1c-\x1f]/;

/** Whether all bytes are clean text; gives up at the first that are not. */
class TextCheck {
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
      this.valid = !CONTROLS.test(this.decoder.decode(bytes, { stream }));
    } catch {
      this.valid = false;
    }
  }
}
