import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Caller } from '../../audit/audit.js';
import { KeyedMutex } from '../../concurrency/keyed-mutex.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { ContentInspector } from '../content/content-inspector.js';
import { isRefusal } from '../content/content.errors.js';
import type { Chunk, Receipt } from './chunks/chunk-request.js';
import type { ByteRange } from './chunks/content-range.js';
import { alive, UploadSessions } from './sessions/upload-sessions.js';
import { UploadStore, type Addition, type FoundSession, type Position } from './sessions/upload-store.js';
import { chunkConflict, inconsistentLength, offsetMismatch, uploadComplete } from './upload.errors.js';

/** Attempts before a 503. Each one that fails means that another request has changed the row. */
const MAX_ROUNDS = 5;
/** How much of what is stored is in memory at a time to compare a retry with it. */
const PIECE_BYTES = 1024 * 1024;

/**
 * Appends chunks to open uploads. Writes first, where nobody else writes; then one compare-and-set in Postgres decides whether
 * it counts (ARCHITECTURE.md). Chunks of one upload take turns within a process.
 */
@Injectable()
export class UploadWriter {
  private readonly turns = new KeyedMutex();
  private readonly positions = new LRUCache<string, Position>({ max: 4096 });

  constructor(
    private readonly store: UploadStore,
    private readonly sessions: UploadSessions,
    private readonly content: ContentInspector,
  ) {}

  /** Appends a chunk to its upload. Bytes that are stored already are compared, not written. */
  async append(caller: Caller, uploadId: string, chunk: Chunk): Promise<Receipt> {
    const { range, bytes } = chunk;
    return await this.turns.run(uploadId, async () => {
      for (let round = 1; round <= MAX_ROUNDS; round++) {
        const position = this.positions.get(uploadId);
        const receipt = this.isNext(caller, range, position)
          ? await this.write(uploadId, () =>
              this.store.append(position, { range, bytes, mime: position.mime }),
            )
          : await this.judge(caller, uploadId, chunk, position, round > 1);
        if (receipt) return receipt;
      }
      throw new ServiceUnavailable('The upload is changing too fast; try again');
    });
  }

  /** Reads the row and compares the chunk with it. Undefined if the row has changed since. */
  private async judge(
    caller: Caller,
    uploadId: string,
    { range, bytes, declared }: Chunk,
    position: Position | undefined,
    waitForLock: boolean,
  ): Promise<Receipt | undefined> {
    const session = alive(await this.store.find(caller.id, uploadId));
    const { offset, expiresAt } = session;
    const overlap = overlapOf(session, range);
    if (overlap > 0 && !(await this.repeats(session, range.start, bytes.subarray(0, overlap))))
      return undefined;
    if (overlap === bytes.length) return { id: uploadId, offset, expiresAt, outcome: 'replayed' };
    const rest = { range: { ...range, start: offset }, bytes: bytes.subarray(overlap) };
    const mime = await this.identify(session, rest.bytes, declared);
    if (mime === undefined) return undefined;
    const addition = { ...rest, mime };
    return await this.write(uploadId, () =>
      isMine(session, position)
        ? this.store.append(position, addition)
        : this.store.begin(session, addition, waitForLock),
    );
  }

  /**
   * Writes, and remembers the new position: the next chunk in series need not read the row first. After a failure that chunk
   * begins a new part. Undefined if the row has moved on, or is locked.
   */
  async write(uploadId: string, work: () => Promise<Position | undefined>): Promise<Receipt | undefined> {
    let position: Position | undefined;
    try {
      position = await work();
    } finally {
      // Only now: to delete it first, and set it again, would take longer than all the rest of this.
      if (position) this.positions.set(uploadId, position);
      else this.positions.delete(uploadId);
    }
    if (!position) return undefined;
    const { offset, expiresAt } = position;
    return { id: uploadId, offset, expiresAt, outcome: 'appended' };
  }

  /** False if the stored bytes are no longer where the row said. @throws chunkConflict, uploadComplete */
  private async repeats(session: FoundSession, start: number, repeated: Buffer): Promise<boolean> {
    for (let at = 0; at < repeated.length; at += PIECE_BYTES) {
      const piece = repeated.subarray(at, at + PIECE_BYTES);
      const stored = await this.store.read(session, start + at, piece.length);
      if (!stored) return false;
      if (!stored.equals(piece))
        throw session.mediaId === null ? chunkConflict(session.offset) : uploadComplete(session.mediaId);
    }
    return true;
  }

  /** Detects the media type once more bytes are there than the first chunk had. Undefined if the row has changed. */
  private async identify(
    session: FoundSession,
    bytes: Buffer,
    declared: string | null,
  ): Promise<Addition['mime'] | undefined> {
    if (!this.content.mayTellMore(session)) return session.mime;
    const { total, offset, fileName } = session;
    const head = await this.store.read(session, 0, offset);
    if (!head) return undefined;
    try {
      const all = Buffer.concat([head, bytes]);
      const type = await this.content.admit({ bytes: all, total, fileName, declared: declared ?? fileName });
      return type?.mime ?? null;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (!(await this.sessions.reject(session, error))) return undefined;
      throw error;
    }
  }

  private isNext({ id }: Caller, { start, total }: ByteRange, last: Position | undefined): last is Position {
    const isInSeries = last?.ownerId === id && last.total === total && last.offset === start;
    return isInSeries && !this.content.mayTellMore(last);
  }
}

/** Whether this process made the last part, and nobody has appended since. */
function isMine(session: FoundSession, position: Position | undefined): position is Position {
  return position !== undefined && position.part.name === session.part && position.offset === session.offset;
}

/**
 * Returns how many leading bytes of a chunk the session already has: none of the next chunk in series, all of a retry, some of
 * an overlap.
 * @throws offsetMismatch if the chunk starts past the offset
 * @throws inconsistentLength if it belongs to a file of another length
 */
function overlapOf(session: FoundSession, { start, end, total }: ByteRange): number {
  if (total !== session.total) throw inconsistentLength(session.total);
  if (start > session.offset) throw offsetMismatch(session.offset);
  return Math.min(session.offset, end + 1) - start;
}
