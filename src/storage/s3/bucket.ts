import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  UploadPartCopyCommand,
  type GetObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { inPieces } from './in-pieces.js';
import { PATIENCE_MS, patience, sending } from './patience.js';
import { resumed } from './resumed.js';
import { reaching, statusOf, unlessMissing, unlessUnnamed } from './s3.errors.js';

/** Time limit for checking afterwards whether the object exists. Together less than the timeout of a proxy. */
const LOOK_MS = 3000;
/** Larger objects are copied in pieces: some stores do not answer before they have copied, and AWS stops at 5 GiB. */
const COPY_BYTES = 64 * 1024 * 1024;

/**
 * The objects of a bucket below a prefix. Relies on nothing that stores differ in: no conditional writes, no ETags, no
 * checksums but MD5.
 */
export class Bucket {
  constructor(
    readonly client: S3Client,
    readonly name: string,
    private readonly prefix: string,
  ) {}

  at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.name, Key: `${this.prefix}${key}` };
  }

  /** Writes an object, or writes over one. Durable when this resolves. Returns its version if the bucket keeps versions. */
  async put(key: string, bytes: Buffer, withinMs = PATIENCE_MS): Promise<string | undefined> {
    const command = new PutObjectCommand({ ...this.at(key), ...bodyOf(bytes) });
    return (await reaching(() => this.client.send(command, sending(bytes.length, withinMs)))).VersionId;
  }

  /** Writes an object under a new key: after a failure the object itself tells whether it was written. */
  async create(key: string, size: number, write: () => Promise<unknown>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if ((await this.size(key, LOOK_MS).catch(() => undefined)) !== size) throw error;
    }
  }

  /** Streams bytes `start` to `end`, fewer where the object ends; undefined if there is no such object. */
  async get(key: string, start: number, end: number, withinMs = PATIENCE_MS): Promise<Readable | undefined> {
    const answer = await reaching(() => this.open(key, start, end, withinMs));
    if (!answer) return undefined;
    const last = lastOf(answer, start) ?? end;
    return resumed(answer.Body as Readable, { start, end: last }, async (position) => {
      const rest = await reaching(() => this.open(key, position, last, withinMs));
      return rest?.Body as Readable | undefined;
    });
  }

  private async open(key: string, start: number, end: number, withinMs: number) {
    const command = new GetObjectCommand({ ...this.at(key), Range: `bytes=${start}-${end}` });
    // For the head of the answer only: the client may read the rest slowly.
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(), withinMs);
    try {
      return await unlessMissing(this.client.send(command, { abortSignal: waiting.signal }));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Reads what `get` streams; nothing past the end. */
  async read(key: string, start: number, length: number, withinMs?: number): Promise<Buffer | undefined> {
    try {
      const stream = await this.get(key, start, start + length - 1, withinMs);
      return stream && (await buffer(stream));
    } catch (error) {
      if (statusOf((error as Error).cause) === 416) return Buffer.alloc(0);
      throw error;
    }
  }

  /** Returns the length in bytes; undefined if there is no such object. */
  async size(key: string, withinMs = PATIENCE_MS): Promise<number | undefined> {
    const head = new HeadObjectCommand(this.at(key));
    const found = await reaching(() => unlessUnnamed(this.client.send(head, patience(withinMs))));
    // A 404 to HEAD has no body: it may also mean that there is no bucket, or come from a proxy. GET tells.
    if (!found) await this.read(key, 0, 1, withinMs);
    return found?.ContentLength;
  }

  async remove(key: string): Promise<void> {
    const command = new DeleteObjectCommand(this.at(key));
    await reaching(() => unlessMissing(this.client.send(command, patience())));
  }

  /** Copies, then removes. Can be repeated after a failure. */
  async move(key: string, newKey: string): Promise<void> {
    const size = await this.size(key);
    if (size === undefined) return;
    const copy = size > COPY_BYTES ? this.copyInPieces(key, newKey, size) : this.copy(key, newKey);
    if (await reaching(() => unlessMissing(copy))) await this.remove(key);
  }

  private async copy(key: string, newKey: string): Promise<true> {
    const copy = new CopyObjectCommand({ ...this.at(newKey), CopySource: this.source(key) });
    await this.client.send(copy, patience());
    return true;
  }

  private async copyInPieces(key: string, newKey: string, size: number): Promise<true> {
    const pieces = Math.ceil(size / COPY_BYTES);
    await inPieces(this.client, this.at(newKey), pieces, async (piece) => {
      const start = (piece.PartNumber - 1) * COPY_BYTES;
      const CopySourceRange = `bytes=${start}-${Math.min(start + COPY_BYTES, size) - 1}`;
      const command = new UploadPartCopyCommand({ ...piece, CopySource: this.source(key), CopySourceRange });
      return (await this.client.send(command, patience())).CopyPartResult?.ETag;
    });
    return true;
  }

  /** An object to copy. */
  private source(key: string): string {
    const { Bucket, Key } = this.at(key);
    return encodeURI(`${Bucket}/${Key}`);
  }

  /** Lists keys in pages. */
  async *list(start: string): AsyncGenerator<{ readonly key: string; readonly changedAt: Date }[]> {
    const { Bucket, Key } = this.at(start);
    const pages = paginateListObjectsV2({ client: this.client }, { Bucket, Prefix: Key });
    for (;;) {
      const { done, value } = await reaching(() => pages.next());
      if (done) return;
      yield (value.Contents ?? []).map(({ Key = '', LastModified = new Date() }) => ({
        key: Key.slice(this.prefix.length),
        changedAt: LastModified,
      }));
    }
  }
}

/** The last byte of an answer from `start` on. A proxy may have taken away its length. */
function lastOf({ ContentLength, ContentRange = '' }: GetObjectCommandOutput, start: number) {
  if (ContentLength !== undefined) return start + ContentLength - 1;
  const [, last] = /-(\d+)\//.exec(ContentRange) ?? [];
  return last === undefined ? undefined : Number(last);
}

/** Stores refuse a body without its length, and with another MD5. */
export function bodyOf(bytes: Buffer) {
  const md5 = createHash('md5').update(bytes).digest('base64');
  return { Body: bytes, ContentLength: bytes.length, ContentMD5: md5 };
}
