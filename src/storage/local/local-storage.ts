import { randomBytes } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, link, readFile, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { allAfterSettled } from '../../concurrency/all-after-settled.js';
import { Batcher } from '../../concurrency/batcher.js';
import { FairSemaphore } from '../../concurrency/fair-semaphore.js';
import type { Config } from '../../config/config.js';
import { hasCode } from '../../errors/has-code.js';
import { BlobStorage, type Area, type PartRange, type ScratchFile } from '../blob-storage.js';
import { storing } from '../storage.errors.js';
import { makeWritable } from './data-directory.js';
import { Disk } from './disk.js';
import { FILE_MODE, oldFiles, readAt, syncDirectory, unlessAbsent, withFile, writeAt } from './files.js';
import { OpenFiles } from './open-files.js';
import { Pieces } from './pieces.js';

/**
 * On Linux a write to an O_DSYNC file returns when its bytes are as durable as after `fdatasync`, in one trip to the
 * thread pool instead of two. Elsewhere the flag is missing, or stops short of the drive's own cache.
 * @see https://man7.org/linux/man-pages/man2/open.2.html
 */
const SYNCS_ITSELF = process.platform === 'linux';
const SYNCED = SYNCS_ITSELF ? constants.O_RDWR | constants.O_DSYNC : constants.O_RDWR;
const NEW = SYNCED | constants.O_CREAT | constants.O_EXCL;

const LARGE_READS = { highWaterMark: 1024 * 1024 };
/** Concurrent reads of downloads. The thread pool has four threads. */
const READS_AT_ONCE = 16;

const AREAS: readonly Area[] = ['uploads', 'files', 'thumbnails', 'quarantine'];

/** Blobs as files: `uploads/<upload id>.<random>`, `files/<key>`, `thumbnails/<key>`, `quarantine/<key>`. */
@Injectable()
export class LocalStorage extends BlobStorage implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('Storage');
  private readonly open = new OpenFiles();
  private readonly finished = new OpenFiles();
  private readonly pieces = new Pieces();
  private readonly reads = new FairSemaphore({ slots: READS_AT_ONCE });
  private readonly disk = new Disk();
  /** Parts that are created at the same time share one sync of their directory, begun when all of them exist. */
  private readonly entries = new Batcher(async (names: readonly string[]) => {
    await syncDirectory(this.path('uploads', ''));
    return names;
  });

  constructor(private readonly config: Pick<Config, 'dataDir'>) {
    super();
  }

  async onModuleInit(): Promise<void> {
    const { dataDir } = this.config;
    await makeWritable(AREAS.map((area) => this.path(area, '')));
    await syncDirectory(dataDir);
    // The data directory may be new as well. A parent that we cannot read was not created by us.
    await syncDirectory(dirname(dataDir)).catch((error: unknown) => {
      if (!hasCode(error, 'EACCES')) throw error;
    });
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all([this.open.closeAll(), this.finished.closeAll()]);
  }

  path(area: Area | '', name: string): string {
    return join(this.config.dataDir, area, name);
  }

  async createPart(uploadId: string, bytes: Buffer): Promise<string> {
    const name = nameFor(uploadId);
    await this.disk.create(this.path('uploads', name), (path) =>
      this.open.use(path, NEW, async (file) => {
        await allAfterSettled(writeDurably(file, bytes, 0), this.entries.add(name));
      }),
    );
    return name;
  }

  async appendPart(name: string, position: number, bytes: Buffer): Promise<boolean> {
    const appending = () =>
      this.open.use(this.path('uploads', name), SYNCED, (file) => writeDurably(file, bytes, position));
    return await this.disk.guard(async () => (await unlessAbsent(appending().then(() => true))) ?? false);
  }

  async withUpload<T>(
    uploadId: string,
    parts: readonly PartRange[],
    work: (scratch: ScratchFile) => Promise<T>,
  ): Promise<T> {
    const scratch = nameFor(uploadId);
    const path = this.path('uploads', scratch);
    await this.disk.create(path, () => assemble(path, parts, this.path('uploads', '')));
    const publish = (key: string) => this.disk.guard(() => this.rename(path, 'files', key));
    try {
      return await storing(() => withFile(path, 'r', (file) => work({ file, publish })));
    } finally {
      await this.remove('uploads', scratch).catch((err: unknown) =>
        this.logger.warn({ err }, 'A scratch file is left to the sweeper'),
      );
    }
  }

  async withFile<T>(key: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
    return await storing(() => withFile(this.path('files', key), 'r', work));
  }

  async put(area: Area, name: string, bytes: Buffer): Promise<void> {
    await this.disk.create(this.path(area, name), async (path) => {
      await writeFile(path, bytes, { flag: 'wx', mode: FILE_MODE, flush: true });
      await syncDirectory(this.path(area, ''));
    });
  }

  async read(area: Area, name: string, position: number, length: number): Promise<Buffer | undefined> {
    return await this.disk.guard(() =>
      unlessAbsent(withFile(this.path(area, name), 'r', (file) => readAt(file, length, position))),
    );
  }

  async stream(area: Area, name: string, start: number, end: number): Promise<Readable | undefined> {
    const path = this.path(area, name);
    // No file stays open between two pieces, and many readers share a few descriptors: finished files never change.
    const read = (at: number, length: number) =>
      this.reads.run(path, () =>
        this.finished.use(path, constants.O_RDONLY, (file) => readAt(file, length, at)),
      );
    const first = await this.disk.guard(() => unlessAbsent(read(start, 1)));
    const guarded = (at: number, length: number) => this.disk.guard(() => read(at, length));
    return first && this.pieces.stream(path, guarded, start, end);
  }

  async size(area: Area, name: string): Promise<number | undefined> {
    return (await this.disk.guard(() => unlessAbsent(stat(this.path(area, name)))))?.size;
  }

  async remove(area: Area, name: string): Promise<void> {
    await this.disk.guard(() => rm(this.path(area, name), { force: true }));
  }

  async move(area: Area, name: string, target: Area, newName: string): Promise<void> {
    await this.disk.guard(() => unlessAbsent(this.rename(this.path(area, name), target, newName)));
  }

  listOld(area: Area, ageSeconds: number, batchSize: number): AsyncIterable<string[]> {
    return oldFiles(this.path(area, ''), ageSeconds, batchSize);
  }

  async space(): Promise<{ free: number; total: number }> {
    return await this.disk.space(this.path('uploads', ''));
  }

  async isHealthy(): Promise<boolean> {
    await Promise.all(AREAS.map((area) => access(this.path(area, ''), constants.W_OK)));
    return !this.disk.isFailing;
  }

  get place() {
    return { settings: 'DATA_DIR', address: this.path('', 'database-id') };
  }

  async readDatabaseId(): Promise<string | undefined> {
    return (await readFile(this.place.address, 'utf8').catch(() => undefined))?.trim();
  }

  async writeDatabaseId(id: string): Promise<void> {
    await writeFile(this.place.address, `${id}\n`, { flush: true });
    await syncDirectory(this.config.dataDir);
  }

  private async rename(path: string, area: Area, name: string): Promise<void> {
    await rename(path, this.path(area, name));
    await syncDirectory(this.path(area, ''));
  }
}

/** A name in `uploads/` that is never used again. */
function nameFor(uploadId: string): string {
  return `${uploadId}.${randomBytes(8).toString('hex')}`;
}

async function writeDurably(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  await writeAt(file, bytes, position);
  if (!SYNCS_ITSELF) await file.datasync();
}

/** Assembles a file from parts in a directory, or with a hard link if that suffices. */
async function assemble(path: string, parts: readonly PartRange[], directory: string): Promise<void> {
  const [first, ...others] = parts;
  if (first && others.length === 0 && (await linked(join(directory, first.name), path))) return;
  await withFile(path, 'wx', async (file) => {
    for (const { name, length } of parts)
      await writeFile(file, createReadStream(join(directory, name), { end: length - 1, ...LARGE_READS }));
    await file.sync();
  });
}

/** Creates a hard link. False if the file system has none. */
async function linked(path: string, another: string): Promise<boolean> {
  try {
    await link(path, another);
    return true;
  } catch (error) {
    if (hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) return false;
    throw error;
  }
}
