// @ts-check
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

const MEBIBYTE = 2 ** 20;
const CARRIER_BYTES = 6144 * MEBIBYTE;
const NAMES = /** @type {const} */ (['uploads', 'database']);
const BYTES = { uploads: 400 * MEBIBYTE, database: 700 * MEBIBYTE };

/**
 * The file systems must not write by themselves every few seconds: that would hide a missing sync.
 * @type {Record<FileSystem, string>}
 */
const LAZY = { ext4: 'commit=300', xfs: 'defaults' };

/**
 * Loop devices with direct I/O may have sectors of 4 KiB, and blocks must not be smaller.
 * @type {Record<FileSystem, string[]>}
 */
const BLOCKS = { ext4: ['-b', '4096'], xfs: ['-s', 'size=4096'] };

/** @typedef {'ext4' | 'xfs'} FileSystem */

/** Why disks cannot be simulated here, or undefined if they can. @param {FileSystem} fileSystem */
export async function noDisks(fileSystem) {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return 'loop devices need root on Linux';
  for (const tool of ['losetup', 'mkfs.xfs', `mkfs.${fileSystem}`]) {
    if (!['/sbin', '/usr/sbin', '/bin', '/usr/bin'].some((path) => existsSync(join(path, tool))))
      return `there is no ${tool}`;
  }
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices';
  return undefined;
}

/**
 * Two disks, one for uploads and one for Postgres, on loop devices with direct I/O. An image contains what the file
 * system has sent to its device, and not what is only in the page cache. Both images are files on an XFS, where `cp
 * --reflink` copies a file at one instant, after all writes accepted before. A plain `cp` would mix several moments.
 */
export class Disks {
  /**
   * @param {string} root @param {string} carrier device @param {FileSystem} fileSystem
   * @param {Record<string, string>} mounts
   */
  constructor(root, carrier, fileSystem, mounts) {
    this.root = root;
    this.carrier = carrier;
    this.fileSystem = fileSystem;
    this.mounts = mounts;
    /** @type {Map<string, string>} device of each disk that is attached */
    this.devices = new Map();
    this.removed = false;
  }

  /** @param {FileSystem} fileSystem @param {Record<'uploads' | 'database', string>} mounts mount points */
  static async make(fileSystem, mounts) {
    const root = await mkdtemp(join(await roomy(), 'mediadock-disks-'));
    const image = join(root, 'carrier.img');
    await run('truncate', ['-s', String(CARRIER_BYTES), image]);
    await run('mkfs.xfs', ['-q', '-m', 'reflink=1', image]);
    const disks = new Disks(root, await attach(image, false), fileSystem, mounts);
    await mkdir(disks.path(''));
    await run('mount', ['-t', 'xfs', '-o', 'discard', disks.carrier, disks.path('')]);
    for (const name of NAMES) {
      await run('truncate', ['-s', String(BYTES[name]), disks.path(name)]);
      await mkdir(mounts[name], { recursive: true });
    }
    await disks.mount(
      async (device) => void (await run(`mkfs.${fileSystem}`, ['-q', ...BLOCKS[fileSystem], device])),
    );
    return disks;
  }

  /** @param {string} name */
  path(name) {
    return join(this.root, 'carrier', name && `${name}.img`);
  }

  /** @param {(device: string) => Promise<void>} [prepare] */
  async mount(prepare) {
    for (const name of NAMES) {
      if (this.removed) throw new Error('The harness is being stopped');
      const device = await attach(this.path(name), true);
      this.devices.set(name, device);
      await prepare?.(device);
      await run('mount', [
        '-t',
        this.fileSystem,
        '-o',
        LAZY[this.fileSystem],
        device,
        this.mounts[name] ?? '',
      ]);
    }
  }

  async unmount() {
    for (const [name, device] of this.devices) {
      await unmount(this.mounts[name] ?? '');
      await run('losetup', ['-d', device]);
      this.devices.delete(name);
    }
  }

  /** Copies both disks in their present state. @param {string} label */
  async copy(label) {
    for (const name of NAMES)
      await run('cp', ['--reflink=always', this.path(name), `${this.path(name)}.${label}`]);
  }

  /**
   * Replaces the disks, which must not be mounted, by copies.
   * @param {string} label @param {boolean} [keep] the copies
   */
  async restore(label, keep = false) {
    for (const name of NAMES) {
      const copy = `${this.path(name)}.${label}`;
      await run('cp', ['--reflink=always', copy, this.path(name)]);
      if (!keep) await rm(copy);
    }
  }

  async remove() {
    this.removed = true;
    await this.unmount();
    await unmount(this.path(''));
    await run('losetup', ['-d', this.carrier]);
    await rm(this.root, { recursive: true });
  }
}

/** The images may be in memory: only the simulated disks lose power. */
async function roomy() {
  const free = await statfs('/dev/shm').then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  return free > 4096 * MEBIBYTE ? '/dev/shm' : tmpdir();
}

/** @param {string} image @param {boolean} direct */
async function attach(image, direct) {
  const { stdout } = await run('losetup', [
    `--direct-io=${direct ? 'on' : 'off'}`,
    '--find',
    '--show',
    image,
  ]);
  const device = stdout.trim();
  const { stdout: mode } = await run('losetup', ['--noheadings', '--output', 'DIO', device]);
  if (direct && mode.trim() !== '1')
    throw new Error(`${device} does not do direct I/O: its image would be ahead of the disk`);
  return device;
}

/** Retries, because killed processes may take a moment to close their files. @param {string} path */
async function unmount(path) {
  for (let tries = 0; ; tries++) {
    try {
      return void (await run('umount', [path]));
    } catch (error) {
      if (/not mounted/.test(String(error))) return;
      if (tries > 200) throw error;
      await sleep(25);
    }
  }
}
