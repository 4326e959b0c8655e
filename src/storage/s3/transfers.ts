import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { SharedMemory } from '../../concurrency/shared-memory.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { readAt, writeAt } from '../local/files.js';
import { bodyOf, type Bucket } from './bucket.js';
import { inPieces } from './in-pieces.js';
import { patience, sending } from './patience.js';
import { reaching } from './s3.errors.js';

/** Larger files are uploaded in pieces of this size. S3 requires at least 5 MiB. */
const PIECE_BYTES = 8 * 1024 * 1024;
/** Of all files together. New memory for each piece would be three times as much before it is collected. */
const pieces = new SharedMemory({ blocks: 3, bytes: PIECE_BYTES });
/** More than a chunk. */
const WRITE_BYTES = 256 * 1024;
/** Longer than any upload takes. */
const FORGOTTEN_MS = 24 * 3600 * 1000;

/** Writes what is streamed to a place in a local file. @throws ServiceUnavailable if there are fewer bytes */
export async function fetchInto(
  file: FileHandle,
  { position, length }: { readonly position: number; readonly length: number },
  stream: Readable | undefined,
): Promise<void> {
  let end = position;
  for await (const { packets, bytes } of stream ? gathered(stream) : []) {
    await writeAllAt(file, packets, end);
    end += bytes;
  }
  if (end < position + length) throw new ServiceUnavailable('Stored bytes are missing');
}

/** Writes several buffers, one after another; the kernel may take less than it is given. */
async function writeAllAt(file: FileHandle, all: readonly Buffer[], position: number): Promise<void> {
  const { bytesWritten } = await file.writev(all, position);
  const isAll = bytesWritten === all.reduce((sum, { length }) => sum + length, 0);
  if (!isAll) await writeAt(file, Buffer.concat(all).subarray(bytesWritten), position + bytesWritten);
}

/** Gathers packets for few writes: each is a trip to the thread pool. */
async function* gathered(stream: Readable): AsyncGenerator<{ packets: Buffer[]; bytes: number }> {
  let packets: Buffer[] = [];
  let bytes = 0;
  for await (const packet of stream as AsyncIterable<Buffer>) {
    packets.push(packet);
    bytes += packet.length;
    if (bytes < WRITE_BYTES) continue;
    yield { packets, bytes };
    [packets, bytes] = [[], 0];
  }
  if (bytes > 0) yield { packets, bytes };
}

/** Puts a local file under a new key, with some pieces of it in memory. */
export async function putFile(bucket: Bucket, key: string, file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  await bucket.create(key, size, async () => {
    if (size > PIECE_BYTES) await reaching(() => putInPieces(bucket, key, file, size));
    else await pieces.use(async (memory) => bucket.put(key, await readAt(file, size, 0, memory)));
  });
}

async function putInPieces(bucket: Bucket, key: string, file: FileHandle, size: number): Promise<void> {
  const { client } = bucket;
  await inPieces(client, bucket.at(key), Math.ceil(size / PIECE_BYTES), (piece) =>
    pieces.use(async (memory) => {
      const body = bodyOf(await readAt(file, PIECE_BYTES, (piece.PartNumber - 1) * PIECE_BYTES, memory));
      const command = new UploadPartCommand({ ...piece, ...body });
      return (await client.send(command, sending(body.ContentLength))).ETag;
    }),
  );
}

/**
 * Removes the pieces of multipart uploads that a crash has interrupted. They cost money, and no list of objects shows
 * them.
 */
export async function abortForgotten(bucket: Bucket): Promise<void> {
  const { client } = bucket;
  const { Bucket, Key: Prefix } = bucket.at('');
  await reaching(async () => {
    // A thousand at most; the next start goes on.
    const { Uploads = [] } = await client.send(
      new ListMultipartUploadsCommand({ Bucket, Prefix }),
      patience(),
    );
    for (const { Key, UploadId, Initiated = new Date() } of Uploads)
      if (Initiated.getTime() < Date.now() - FORGOTTEN_MS)
        await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }), patience());
  });
}
