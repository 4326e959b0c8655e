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
  /** @param {FileSystem} fileSystem @param {Record<'uploads' | 'database', string>} mounts mount points */
  constructor(fileSystem, mounts) {
    this.fileSystem = fileSystem;
    this.mounts = mounts;
    this.root = '';
    /** @type {Map<string, string>} device of each image that is attached */
    this.devices = new Map();
    this.removed = false;
    /** Making or mounting, which must have ended before the disks can be removed. */
    this.begun = Promise.resolve();
  }

  async make() {
    await this.begin(async () => {
      this.root = await mkdtemp(join(await roomy(), 'mediadock-disks-'));
      const carrier = this.path('');
      await mkdir(carrier);
      await run('truncate', ['-s', String(CARRIER_BYTES), `${carrier}.img`]);
      await run('mkfs.xfs', ['-q', '-m', 'reflink=1', `${carrier}.img`]);
      const device = await this.attach('carrier', `${carrier}.img`, false);
      await run('mount', ['-t', 'xfs', '-o', 'discard', device, carrier]);
      for (const name of NAMES) await run('truncate', ['-s', String(BYTES[name]), this.path(name)]);
      await this.mountAll(
        async (device) =>
          void (await run(`mkfs.${this.fileSystem}`, ['-q', ...BLOCKS[this.fileSystem], device])),
      );
    });
  }

  async mount() {
    await this.begin(() => this.mountAll());
  }

  /** @param {() => Promise<void>} work */
  async begin(work) {
    if (this.removed) throw new Error('The harness is being stopped');
    await (this.begun = work());
  }

  /** @param {string} name */
  path(name) {
    return join(this.root, 'carrier', name && `${name}.img`);
  }

  /** @param {(device: string) => Promise<void>} [prepare] */
  async mountAll(prepare) {
    for (const name of NAMES) {
      const device = await this.attach(name, this.path(name), true);
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
    for (const name of NAMES) await this.detach(name, this.mounts[name]);
  }

  /** @param {string} name @param {string} image @param {boolean} direct */
  async attach(name, image, direct) {
    const options = [`--direct-io=${direct ? 'on' : 'off'}`, '--find', '--show'];
    const device = (await run('losetup', [...options, image])).stdout.trim();
    this.devices.set(name, device);
    const { stdout: mode } = await run('losetup', ['--noheadings', '--output', 'DIO', device]);
    if (direct && mode.trim() !== '1')
      throw new Error(`${device} does not do direct I/O: its image would be ahead of the disk`);
    return device;
  }

  /** @param {string} name @param {string} mount */
  async detach(name, mount) {
    const device = this.devices.get(name);
    if (device === undefined) return;
    await unmount(mount);
    await run('losetup', ['-d', device]);
    this.devices.delete(name);
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
    await this.begun.catch(() => undefined);
    await this.unmount();
    await this.detach('carrier', this.path(''));
    if (this.root) await rm(this.root, { recursive: true });
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
