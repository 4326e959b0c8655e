import { randomBytes } from 'node:crypto';
import { constants, fstatSync } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  type FileHandle,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { ServiceUnavailable } from '../errors/app-error.js';
import { settled } from '../settled.js';
import { oldFiles, sizeOf, unlessAbsent } from './directory.js';
import { closeAfter, readAt, syncDirectory, withFile, writeAt } from './durable.js';
import { OpenUploads } from './open-uploads.js';
import { storing } from './storage.errors.js';

/** The chunk that begins where an upload stands, announced while its bytes were being written: they may be there or not. */
export interface Tail {
  readonly end: number;
  /** CRC-32 of its bytes. */
  readonly crc: number;
}

/** What another process goes on with. */
export interface Copy {
  readonly file: string;
  /** Bytes of it that count. */
  readonly size: number;
}

/** What the bytes of one session are called. */
export interface Names {
  /** While it is open: its id, or a name that begins with it. */
  readonly file: string;
  /** Once it is a finished file. */
  readonly key: string;
}

/**
 * On Linux a write to an O_DSYNC file returns when its bytes are as durable as after `fdatasync`, in one trip to the
 * thread pool and not two. Elsewhere the flag is missing, or stops short of the drive's own cache.
 * @see https://man7.org/linux/man-pages/man2/open.2.html
 */
const SYNCS_ITSELF = process.platform === 'linux';
const SYNCED = SYNCS_ITSELF ? constants.O_RDWR | constants.O_DSYNC : constants.O_RDWR;

/**
 * Says to whoever has a file open that another process goes on with a copy of it. A mark that does nothing else: no one runs
 * these files.
 */
const FENCED = constants.S_IXUSR;

/** Of the disk within a minute, before the server calls itself not ready. */
const TOLERATED_FAILURES = 5;

/**
 * The bytes on disk, and nothing else: no users, no sessions, no SQL. An upload in progress is `uploads/<id>`, a
 * finished file `files/<key>`. What a resolved promise here says is on the disk: it survives a power cut.
 */
@Injectable()
export class FileStore implements OnModuleInit, OnModuleDestroy {
  readonly uploads: string;
  readonly files: string;
  private readonly open = new OpenUploads();
  private failures: readonly number[] = [];
  private marks = false;

  constructor({ dataDir }: Config) {
    this.uploads = join(dataDir, 'uploads');
    this.files = join(dataDir, 'files');
  }

  async onModuleInit(): Promise<void> {
    await mkdir(this.uploads, { recursive: true });
    await mkdir(this.files, { recursive: true });
    this.marks = await keepsMarks(this.uploads);
    const dataDir = dirname(this.uploads);
    await syncDirectory(dataDir);
    // The data directory may be as new as these. A parent that may not be read is not one that we made.
    await syncDirectory(dirname(dataDir)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EACCES') throw error;
    });
  }

  async onModuleDestroy(): Promise<void> {
    await this.open.closeAll();
  }

  filePath(key: string): string {
    return join(this.files, key);
  }

  /**
   * Writes a chunk at its offset, which the database decides: never at the end of the file, whose length may count
   * bytes that were never acknowledged. The first chunk creates the file. The caller sees to it that nobody else writes.
   */
  async write(name: string, offset: number, bytes: Buffer): Promise<void> {
    const flags = offset === 0 ? SYNCED | constants.O_CREAT : SYNCED;
    await this.guarded(() =>
      this.open.use(this.uploadPath(name), flags, async (file) => {
        const written = writeAt(file, bytes, offset);
        // The directory entry is needed from the first acknowledged byte on, and is durable only once its directory is.
        await (offset === 0 ? settled(written, syncDirectory(this.uploads)) : written);
        if (!SYNCS_ITSELF) await file.datasync();
      }),
    );
  }

  /** Whether the next write finds its file open. */
  isOpen(name: string): boolean {
    return this.open.fileOf(this.uploadPath(name)) !== undefined;
  }

  /**
   * Whether a file that was just written to was not fenced off before. Then whoever fences it, from now on, finds all that was
   * written: the writer writes and looks for the fence, the other one sets the fence and looks for what is written.
   */
  isUnfenced(name: string): boolean {
    const file = this.open.fileOf(this.uploadPath(name));
    return this.marks && file !== undefined && (modeOf(file) & FENCED) === 0;
  }

  /**
   * Copies an upload into a file of a name of its own: the first `size` bytes, and the tail if all of it is there, which
   * its writer may be writing still, and is fenced off from. Undefined when there is no such upload.
   */
  async copy(id: string, name: string, size: number, tail: Tail | undefined): Promise<Copy | undefined> {
    const copied = besides(id);
    return await this.guarded(async () => {
      const to = this.uploadPath(copied);
      const found = await unlessAbsent(duplicate(this.uploadPath(name), to, size, tail));
      if (!found) return undefined;
      return await withFile(to, constants.O_RDWR, async (file) => {
        const { size: length, mode } = await file.stat();
        if (length < size)
          throw new Error(`An upload has ${length} bytes on disk, ${size} were acknowledged`);
        if (mode & FENCED) await file.chmod(mode & 0o777 & ~FENCED);
        const { bytes } = found;
        const counted = bytes ? size + bytes.length : size;
        if (bytes) await writeAt(file, bytes, size);
        await file.truncate(counted);
        await file.sync();
        await syncDirectory(this.uploads);
        return { file: copied, size: counted };
      });
    });
  }

  /** Whether all of a tail is there, and from now on durable. */
  async keeps(name: string, offset: number, tail: Tail): Promise<boolean> {
    const kept = await this.guarded(() =>
      unlessAbsent(
        withFile(this.uploadPath(name), 'r', async (file) => {
          if (!(await readTail(file, offset, tail))) return false;
          await file.datasync();
          return true;
        }),
      ),
    );
    return kept ?? false;
  }

  /** Whether there is an upload of this name. */
  async exists(name: string): Promise<boolean> {
    return (await this.guarded(() => sizeOf(this.uploadPath(name)))) !== undefined;
  }

  /**
   * Writes a tail once more, if all of it is there: its first write may have failed after its bytes had reached the memory
   * of the system, where they look well, and a sync says so. False when it is not there.
   * @see https://wiki.postgresql.org/wiki/Fsync_Errors
   */
  async rewrite(name: string, offset: number, tail: Tail): Promise<boolean> {
    const bytes = await this.guarded(() =>
      withFile(this.uploadPath(name), 'r', (file) => readTail(file, offset, tail)),
    );
    if (bytes) await this.write(name, offset, bytes);
    return bytes !== undefined;
  }

  /**
   * Reads what a session has stored, wherever it is: an earlier completion may have renamed it and ended before its
   * commit. The open file stays the same one when another request renames it meanwhile.
   */
  async read<T>({ file: name, key }: Names, work: (file: FileHandle) => Promise<T>): Promise<T> {
    return await this.guarded(async () => {
      // In this order: a rename that comes in between has put the file where the second look finds it.
      const file =
        (await unlessAbsent(open(this.uploadPath(name), 'r'))) ?? (await open(this.filePath(key), 'r'));
      return await closeAfter(file, work);
    });
  }

  /** Reads a finished file. */
  async readFile<T>(key: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
    return await this.guarded(() => withFile(this.filePath(key), 'r', work));
  }

  /** The whole of a finished file; undefined when there is none. */
  async readWhole(key: string): Promise<Buffer | undefined> {
    return await this.guarded(() => unlessAbsent(readFile(this.filePath(key))));
  }

  /** Bytes on disk under whichever name they have; undefined when there is no file. Bytes past an offset count too. */
  async lengthOf({ file, key }: Partial<Names> & { key: string }): Promise<number | undefined> {
    const paths = [...(file === undefined ? [] : [this.uploadPath(file)]), this.filePath(key)];
    for (const path of paths) {
      const length = await this.guarded(() => sizeOf(path));
      if (length !== undefined) return length;
    }
    return undefined;
  }

  /** Whether the stored bytes at `position` are these. */
  async holds(names: Names, position: number, bytes: Buffer): Promise<boolean> {
    return await this.read(names, async (file) => bytes.equals(await readAt(file, bytes.length, position)));
  }

  /**
   * Turns an upload into a finished file, cut to its `size`. Can be repeated: after a crash at any point the next call
   * finishes what the last one began.
   */
  async adopt({ file: name, key }: Names, size: number): Promise<void> {
    await this.guarded(async () => {
      const path = this.uploadPath(name);
      await this.open.close(path);
      if ((await sizeOf(path)) !== undefined) {
        await withFile(path, constants.O_RDWR, async (file) => {
          await file.truncate(size);
          await file.sync();
        });
        await rename(path, this.filePath(key));
      }
      await stat(this.filePath(key));
      // Also on a repeat: the first attempt may have ended between the rename and the sync.
      await this.syncNames();
    });
  }

  /**
   * Writes what is to be published in place of an upload, beside it, which stays as it is. The name given back is of
   * this call alone: two servers may be at it at once. What is not published is to be discarded, or swept.
   */
  async stage(id: string, bytes: Buffer): Promise<string> {
    const name = besides(id);
    await this.guarded(() =>
      withFile(this.uploadPath(name), 'wx', async (file) => {
        await file.writeFile(bytes);
        await file.sync();
      }),
    );
    return name;
  }

  /** Turns what `stage` has written into a finished file, in place of any that an earlier attempt has left. */
  async publish(staged: string, key: string): Promise<void> {
    await this.guarded(async () => {
      await rename(this.uploadPath(staged), this.filePath(key));
      await this.syncNames();
    });
  }

  /** Removes the bytes of an upload, or what was staged for it; well if they are gone. */
  async discard(name: string): Promise<void> {
    await this.guarded(async () => {
      await this.open.close(this.uploadPath(name));
      await rm(this.uploadPath(name), { force: true });
    });
  }

  /** Removes a finished file; well if it is gone. */
  async remove(key: string): Promise<void> {
    await this.guarded(() => rm(this.filePath(key), { force: true }));
  }

  /** Sets a damaged file aside for a person to look at; well if there is none. */
  async quarantine(key: string): Promise<void> {
    const directory = join(dirname(this.files), 'quarantine');
    await this.guarded(async () => {
      if ((await sizeOf(this.filePath(key))) === undefined) return;
      await mkdir(directory, { recursive: true });
      await rename(this.filePath(key), join(directory, key));
      await syncDirectory(directory);
      await syncDirectory(this.files);
    });
  }

  /** Names of uploads last written to more than `ageSeconds` ago, in batches of at most `size`. */
  oldUploads(ageSeconds: number, size: number): AsyncGenerator<string[]> {
    return oldFiles(this.uploads, ageSeconds, size);
  }

  /** Keys of finished files older than `ageSeconds`, in batches of at most `size`. */
  oldFiles(ageSeconds: number, size: number): AsyncGenerator<string[]> {
    return oldFiles(this.files, ageSeconds, size);
  }

  /** Bytes of the disk; Infinity where the file system does not tell. */
  async space(): Promise<{ free: number; total: number }> {
    const { blocks, bavail, bsize } = await this.guarded(() => statfs(this.uploads));
    return blocks === 0
      ? { free: Infinity, total: Infinity }
      : { free: bavail * bsize, total: blocks * bsize };
  }

  /** Several failures within a minute: the disk is in trouble, and no more uploads should come here. */
  get failing(): boolean {
    const minuteAgo = Date.now() - 60_000;
    return this.failures.filter((time) => time > minuteAgo).length >= TOLERATED_FAILURES;
  }

  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await storing(work);
    } catch (error) {
      if (error instanceof ServiceUnavailable)
        this.failures = [...this.failures, Date.now()].slice(-TOLERATED_FAILURES);
      throw error;
    }
  }

  private async syncNames(): Promise<void> {
    await syncDirectory(this.files);
    await syncDirectory(this.uploads);
  }

  private uploadPath(name: string): string {
    return join(this.uploads, name);
  }
}

/** Of an open file, without a trip to the thread pool: the system has it in memory. All of it, where it is not to be had. */
function modeOf({ fd }: FileHandle): number {
  try {
    return fstatSync(fd).mode;
  } catch {
    return 0o777;
  }
}

/** @returns the tail, as the system has it: a clone may have only what was on the disk */
async function duplicate(
  from: string,
  to: string,
  size: number,
  tail: Tail | undefined,
): Promise<{ bytes: Buffer | undefined }> {
  if (tail) await fence(from);
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  return { bytes: tail && (await withFile(from, 'r', (file) => readTail(file, size, tail))) };
}

async function fence(path: string): Promise<void> {
  const { mode } = await stat(path);
  await chmod(path, (mode & 0o777) | FENCED);
}

/** Undefined unless all of it is there. */
async function readTail(file: FileHandle, offset: number, { end, crc }: Tail): Promise<Buffer | undefined> {
  const bytes = await readAt(file, end - offset, offset);
  return bytes.length === end - offset && crc32(bytes) === crc ? bytes : undefined;
}

/** Whether a file there can be fenced off. Some file systems, those of other systems above all, have no such modes. */
async function keepsMarks(directory: string): Promise<boolean> {
  const path = join(directory, besides('probe'));
  const probe = withFile(path, 'wx', async (file) => {
    const unmarked = ((await file.stat()).mode & FENCED) === 0;
    await fence(path);
    return unmarked && ((await file.stat()).mode & FENCED) !== 0;
  });
  return await probe.finally(() => rm(path, { force: true })).catch(() => false);
}

/** A name in `uploads/` that no other call has, and that tells whose it is. */
function besides(id: string): string {
  return `${id}.${randomBytes(4).toString('hex')}`;
}
