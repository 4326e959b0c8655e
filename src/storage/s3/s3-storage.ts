import { randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { atOnce } from '../../concurrency/at-once.js';
import type { S3Settings } from '../../config/settings/storage.js';
import {
  BlobStorage,
  type Area,
  type DirectResponse,
  type PartRange,
  type ScratchFile,
} from '../blob-storage.js';
import { withFile } from '../local/files.js';
import { Bucket } from './bucket.js';
import { createClient } from './client.js';
import { Discards } from './discards.js';
import { presigned } from './presigned.js';
import { Scratch } from './scratch.js';
import { checkBucket } from './start-check.js';
import { abortForgotten, fetchInto, putFile } from './transfers.js';

/** Requests of one completion at the same time. */
const AT_ONCE = 16;

const DATABASE_ID = 'database-id';
const PROBE = 'probe';
/** Time limit of a health check, so that a hanging one does not hide for long that the store is back. */
const PROBE_MS = 3000;

/**
 * Blobs as objects: `uploads/<upload id>/<random>`, `files/<key>`, `thumbnails/<key>`, `quarantine/<key>`. An object
 * never changes, so each chunk is a part of its own. Nothing of value is on the machine.
 */
@Injectable()
export class S3Storage extends BlobStorage implements OnModuleInit, OnModuleDestroy {
  private readonly bucket: Bucket;
  private readonly scratch: Scratch;
  private readonly discards = new Discards();
  private isFailing = false;

  constructor(
    private readonly settings: S3Settings,
    dataDir: string,
  ) {
    super();
    this.bucket = new Bucket(createClient(settings), settings.bucket, settings.prefix);
    this.scratch = new Scratch(join(dataDir, 'scratch'));
  }

  async onModuleInit(): Promise<void> {
    await this.scratch.prepare();
    await checkBucket(this.bucket, this.settings);
    await abortForgotten(this.bucket).catch(() => undefined); // Tidiness: some stores do not know the call.
  }

  async onModuleDestroy(): Promise<void> {
    await this.discards.stop();
  }

  /** Not before the last request has ended: this closes sockets that are in use, too. */
  onApplicationShutdown(): void {
    this.bucket.client.destroy();
  }

  async createPart(uploadId: string, bytes: Buffer): Promise<string> {
    const name = `${uploadId}/${randomBytes(8).toString('hex')}`;
    await this.put('uploads', name, bytes);
    return name;
  }

  appendPart(): Promise<boolean> {
    return Promise.resolve(false);
  }

  async withUpload<T>(
    _uploadId: string,
    parts: readonly PartRange[],
    work: (scratch: ScratchFile) => Promise<T>,
  ): Promise<T> {
    return await this.scratch.use(async (file) => {
      await atOnce(AT_ONCE, placed(parts), async (part) =>
        fetchInto(file, part, await this.stream('uploads', part.name, 0, part.length - 1)),
      );
      const publish = (key: string) => this.writing(() => putFile(this.bucket, `files/${key}`, file));
      return await work({ file, publish });
    });
  }

  async withFile<T>(key: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
    return await this.scratch.use(async (file) => {
      const length = (await this.size('files', key)) ?? 0;
      await fetchInto(file, { position: 0, length }, await this.stream('files', key, 0, length - 1));
      return await work(file);
    });
  }

  async put(area: Area, name: string, bytes: Buffer): Promise<void> {
    const key = `${area}/${name}`;
    await this.writing(() => this.bucket.create(key, bytes.length, () => this.bucket.put(key, bytes)));
  }

  async read(area: Area, name: string, position: number, length: number): Promise<Buffer | undefined> {
    return await this.bucket.read(`${area}/${name}`, position, length);
  }

  async stream(area: Area, name: string, start: number, end: number): Promise<Readable | undefined> {
    return await this.bucket.get(`${area}/${name}`, start, end);
  }

  override async directUrl(area: Area, name: string, response: DirectResponse): Promise<string | undefined> {
    return this.settings.downloads ? await presigned(this.bucket, `${area}/${name}`, response) : undefined;
  }

  async size(area: Area, name: string): Promise<number | undefined> {
    return await this.bucket.size(`${area}/${name}`);
  }

  async remove(area: Area, name: string): Promise<void> {
    await this.bucket.remove(`${area}/${name}`);
  }

  override async removeAll(area: Area, names: readonly string[]): Promise<void> {
    await atOnce(AT_ONCE, names, (name) => this.remove(area, name));
  }

  override discard(area: Area, names: readonly string[]): Promise<void> {
    this.discards.add(() => this.removeAll(area, names));
    return Promise.resolve();
  }

  async move(area: Area, name: string, target: Area, newName: string): Promise<void> {
    await this.bucket.move(`${area}/${name}`, `${target}/${newName}`);
  }

  async *listOld(area: Area, ageSeconds: number, batchSize: number): AsyncGenerator<string[]> {
    for await (const page of this.bucket.list(`${area}/`)) {
      const latest = Date.now() - ageSeconds * 1000;
      const old = page.filter(({ changedAt }) => changedAt.getTime() <= latest);
      const names = old.map(({ key }) => key.slice(area.length + 1));
      for (let i = 0; i < names.length; i += batchSize) yield names.slice(i, i + batchSize);
    }
  }

  space(): Promise<{ free: number; total: number }> {
    return Promise.resolve({ free: Infinity, total: Infinity });
  }

  /** Reads; after a failed write, writes. */
  async isHealthy(): Promise<boolean> {
    if (this.isFailing) await this.writing(() => this.bucket.put(PROBE, Buffer.from(PROBE), PROBE_MS));
    else await this.bucket.size(DATABASE_ID, PROBE_MS);
    return true;
  }

  get place() {
    const { bucket, prefix } = this.settings;
    return { settings: 'S3_BUCKET', address: `the object ${prefix}${DATABASE_ID} of bucket ${bucket}` };
  }

  async readDatabaseId(): Promise<string | undefined> {
    return (await this.bucket.read(DATABASE_ID, 0, 100))?.toString().trim();
  }

  async writeDatabaseId(id: string): Promise<void> {
    await this.bucket.put(DATABASE_ID, Buffer.from(`${id}\n`));
  }

  /** Puts a local file under a new name. */
  protected async copy(area: Area, name: string, path: string): Promise<void> {
    await this.writing(() => withFile(path, 'r', (file) => putFile(this.bucket, `${area}/${name}`, file)));
  }

  private async writing(write: () => Promise<unknown>): Promise<void> {
    await write().catch((error: unknown) => {
      this.isFailing = true;
      throw error;
    });
    this.isFailing = false;
  }
}

/** Parts, with their places in the whole file. */
function placed(parts: readonly PartRange[]) {
  let end = 0;
  return parts.map((part) => ({ ...part, position: (end += part.length) - part.length }));
}
