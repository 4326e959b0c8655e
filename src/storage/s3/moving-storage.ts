import { createHash } from 'node:crypto';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { S3Settings } from '../../config/settings/storage.js';
import { StartError } from '../../config/start-error.js';
import type { Area } from '../blob-storage.js';
import { unlessAbsent } from '../local/files.js';
import { LocalStorage } from '../local/local-storage.js';
import { resumed } from './resumed.js';
import { S3Storage } from './s3-storage.js';

/** What the local bytes of a blob are. */
export interface LocalDigest {
  readonly size: number;
  readonly sha256: string;
}

/**
 * A bucket that replaces a local directory while servers are running (decisions/015): new blobs go to the bucket, and
 * old ones are read from the directory. A blob is copied before its local file is removed, so the directory is checked
 * first.
 */
export class MovingStorage extends S3Storage {
  private readonly local: LocalStorage;

  constructor(
    settings: S3Settings,
    dataDir: string,
    private readonly from: string,
  ) {
    super(settings, dataDir);
    this.local = new LocalStorage({ dataDir: from });
  }

  override async onModuleInit(): Promise<void> {
    const id = await this.local.readDatabaseId();
    if (id === undefined) throw new StartError(`S3_MIGRATE_FROM: ${this.from} is not a data directory.`);
    await this.local.onModuleInit();
    await super.onModuleInit();
    const known = await this.readDatabaseId();
    if (known === undefined) await this.writeDatabaseId(id);
    else if (known !== id)
      throw new StartError(
        `S3_MIGRATE_FROM, S3_BUCKET: ${this.from} and the bucket have different databases.`,
      );
  }

  override async onModuleDestroy(): Promise<void> {
    await super.onModuleDestroy();
    await this.local.onModuleDestroy();
  }

  /** Of a local part, for chunks that were announced before the move began. */
  path(area: Area, name: string): string {
    return this.local.path(area, name);
  }

  override async read(area: Area, name: string, position: number, length: number) {
    return (
      (await this.local.read(area, name, position, length)) ??
      (await super.read(area, name, position, length))
    );
  }

  /** Goes on in the bucket if the local file moves meanwhile. */
  override async stream(area: Area, name: string, start: number, end: number) {
    const inBucket = (from: number) => super.stream(area, name, from, end);
    const local = await this.local.stream(area, name, start, end);
    if (!local) return await inBucket(start);
    return resumed(local, { start, end }, inBucket);
  }

  override async size(area: Area, name: string): Promise<number | undefined> {
    return (await this.local.size(area, name)) ?? (await super.size(area, name));
  }

  override async directUrl(...[area, name, response]: Parameters<S3Storage['directUrl']>) {
    const isLocal = (await this.local.size(area, name)) !== undefined;
    return isLocal ? undefined : await super.directUrl(area, name, response);
  }

  override async remove(area: Area, name: string): Promise<void> {
    await this.local.remove(area, name);
    await super.remove(area, name);
  }

  override async move(area: Area, name: string, target: Area, newName: string): Promise<void> {
    await this.local.move(area, name, target, newName);
    await super.move(area, name, target, newName);
  }

  override async *listOld(area: Area, ageSeconds: number, batchSize: number): AsyncGenerator<string[]> {
    yield* this.localNames(area, ageSeconds, batchSize);
    yield* super.listOld(area, ageSeconds, batchSize);
  }

  override async isHealthy(): Promise<boolean> {
    return (await super.isHealthy()) && (await this.local.isHealthy());
  }

  /** Lists what is not in the bucket yet. */
  localNames(area: Area, ageSeconds: number, batchSize: number): AsyncIterable<string[]> {
    return this.local.listOld(area, ageSeconds, batchSize);
  }

  /** Reads a local blob; undefined if there is none. @throws ServiceUnavailable if it cannot be read */
  async localDigest(area: Area, name: string): Promise<LocalDigest | undefined> {
    const size = await this.local.size(area, name);
    if (size === undefined) return undefined;
    const reading = async () => sha256Of(await this.local.stream(area, name, 0, size - 1));
    const sha256 = await reading().catch(async (error: unknown) => {
      // It may have been deleted while it was read.
      if ((await this.local.size(area, name)) === undefined) return undefined;
      throw error;
    });
    return sha256 === undefined ? undefined : { size, sha256 };
  }

  /**
   * Copies a blob that never changes to the bucket, reads the copy back, and only then takes the local file aside, to
   * `moved/`. Can be repeated, and done by several processes at once. False if the blob is deleted meanwhile.
   */
  async migrate(area: Area, name: string, { size, sha256 }: LocalDigest): Promise<boolean> {
    const copying = this.copy(area, name, this.path(area, name)).then(() => true);
    if (!(await unlessAbsent(copying))) return false;
    const copied = await sha256Of(await super.stream(area, name, 0, size - 1));
    if (copied === undefined && (await this.local.size(area, name)) === undefined) return false;
    if (copied !== sha256)
      throw new Error(`The bucket returned other bytes of ${area}/${name} than were stored`);
    const aside = join(this.from, 'moved', area, name);
    await mkdir(dirname(aside), { recursive: true });
    await unlessAbsent(rename(this.path(area, name), aside));
    return true;
  }
}

async function sha256Of(bytes: Readable | undefined): Promise<string | undefined> {
  if (!bytes) return undefined;
  const hash = createHash('sha256');
  await pipeline(bytes, hash);
  return hash.digest('hex');
}
