// @ts-check
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { Ceph } from './ceph.js';
import { Nginx } from './nginx.js';

const APT = '/usr/bin/apt-get';

/** Installs nginx and Ceph if they are missing. Does nothing without root and apt. */
export async function installMissing() {
  const nginx = Nginx.missing ? ['nginx'] : [];
  const packages = [...nginx, ...(Ceph.missing ? ['radosgw', 'ceph-mon', 'ceph-osd'] : [])];
  if (packages.length === 0 || process.geteuid?.() !== 0 || !existsSync(APT)) return;
  console.error(`Installing ${packages.join(', ')} …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    await promisify(execFile)(APT, ['update', '-q'], { env });
    await promisify(execFile)(APT, ['install', '-qy', '--no-install-recommends', ...packages], { env });
  } catch (error) {
    console.error(`Installing failed: ${/** @type {Error} */ (error).message}`);
  }
}
