// @ts-check
// Loaded into the server before its own code (NODE_OPTIONS=--import). One write to a file in uploads/ reaches the page
// cache but not the disk. With CRASH_SYNC=fail:K, the K-th write fails as if its sync had failed. With
// CRASH_SYNC=die:K, the process dies during that write, after Postgres has had time to execute what was sent at the
// same time.
import { closeSync, openSync, readlinkSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const SENT_MS = 150;

const [mode, count] = (process.env['CRASH_SYNC'] ?? '').split(':');
const probe = await open('/dev/null');
const prototype = Object.getPrototypeOf(probe);
await probe.close();

const { write } = prototype;
let writes = 0;

/**
 * @this {import('node:fs/promises').FileHandle} @param {Buffer} bytes @param {number} offset @param {number} length
 * @param {number} position
 */
prototype.write = async function (bytes, offset, length, position) {
  const isPart = /\/uploads\//.test(readlinkSync(`/proc/self/fd/${this.fd}`));
  if (!isPart || ++writes !== Number(count)) return await write.call(this, bytes, offset, length, position);
  writeUnsynced(this.fd, bytes, offset, length, position);
  if (mode === 'die') {
    await sleep(SENT_MS);
    process.kill(process.pid, 'SIGKILL');
  }
  throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO', errno: -5, syscall: 'write' });
};

/**
 * Writes through a descriptor that does not sync.
 * @param {number} fd @param {Buffer} bytes @param {number} offset @param {number} length @param {number} position
 */
function writeUnsynced(fd, bytes, offset, length, position) {
  const cached = openSync(`/proc/self/fd/${fd}`, 'r+');
  writeSync(cached, bytes, offset, length, position);
  closeSync(cached);
}
