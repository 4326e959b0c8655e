import { crc32 } from 'node:zlib';
import { Injectable } from '@nestjs/common';
import { Audit, type Caller } from '../../audit/audit.js';
import { Database, type Queryable } from '../../database/database.js';
import { AppError, ServiceUnavailable } from '../../errors/app-error.js';
import { settled } from '../../settled.js';
import { readAt } from '../../storage/durable.js';
import { FileStore, type Copy } from '../../storage/file-store.js';
import { ContentInspector } from '../content/content-inspector.js';
import { isRefusal } from '../content/content.errors.js';
import type { Chunk } from './chunk.js';
import type { ByteRange } from './content-range.js';
import { Leases, type Lease } from './leases.js';
import { overlapOf } from './overlap.js';
import type { Receipt } from './receipt.js';
import { Turns } from './turns.js';
import { UploadReader } from './upload-reader.js';
import { alive, UploadSessions, type Advanced, type UploadSession } from './upload-sessions.js';
import { ChunkConflict, UploadComplete } from './upload.errors.js';

/** What a chunk is answered with that only a copy of its upload can take. */
const FOREIGN = Symbol('Another process alone writes to the upload');

/** Appends to uploads that are there: one writer at a time, on any number of processes. */
@Injectable()
export class UploadWriter {
  private readonly turns = new Turns();
  private readonly leases = new Leases();
  /** Chunks under way that are written without a lock. */
  private leased = 0;

  constructor(
    private readonly db: Database,
    private readonly sessions: UploadSessions,
    private readonly reader: UploadReader,
    private readonly store: FileStore,
    private readonly content: ContentInspector,
    private readonly audit: Audit,
  ) {}

  /** Appends a chunk to its upload. Repeated bytes are compared, not written. */
  async append(caller: Caller, chunk: Chunk & { uploadId: string }): Promise<Receipt> {
    const { uploadId } = chunk;
    return await this.turns.take(uploadId, async () => {
      const lease = this.leases.take(uploadId);
      const receipt = lease && (await this.appendLeased(caller.id, chunk, lease));
      return receipt ?? (await this.appendLocked(caller, chunk));
    });
  }

  /**
   * The next chunk of an upload that no other process writes to, so that its bytes need not wait for a lock. Undefined when
   * Postgres has to be asked first, or knows better: another process may have taken the upload over, or ended it, and what
   * was written went past its offset, or into a file that nobody reads any more.
   */
  private async appendLeased(
    ownerId: string,
    chunk: Chunk & { uploadId: string },
    lease: Lease,
  ): Promise<Receipt | undefined> {
    const { uploadId, range } = chunk;
    const fits = lease.ownerId === ownerId && lease.offset === range.start && lease.total === range.total;
    // Not opened again by its name, which another process may have removed.
    if (!fits || !this.store.isOpen(lease.file)) return undefined;
    this.leased++;
    try {
      const moved = await this.moveLeased(ownerId, chunk, lease.file);
      if (!moved) return undefined;
      this.keepLease(ownerId, uploadId, range, moved);
      return {
        id: uploadId,
        offset: range.end + 1,
        expiresAt: moved.expiresAt,
        replayed: false,
        asked: false,
      };
    } finally {
      this.leased--;
    }
  }

  /**
   * In company the bytes first, then one statement for all who have written meanwhile: the least work. Alone both at once,
   * each durable by itself, and the answer comes sooner (decisions/005). The last chunk leaves no tail behind.
   */
  private async moveLeased(
    ownerId: string,
    { uploadId, range, bytes }: Chunk & { uploadId: string },
    file: string,
  ): Promise<Advanced | undefined> {
    if (this.leased > 1 || range.end + 1 === range.total || !this.store.isUnfenced(file)) {
      await this.store.write(file, range.start, bytes);
      return await this.sessions.settle(ownerId, uploadId, range);
    }
    // Begun before its sum is taken: it is what takes the longest.
    const written = this.store.write(file, range.start, bytes);
    const announced = this.sessions.announce(ownerId, uploadId, range, crc32(bytes));
    try {
      const [advanced] = await settled(announced, written);
      // One who fenced the file before the bytes were there may have missed them, and asks Postgres with us.
      return this.store.isUnfenced(file) ? advanced : undefined;
    } catch (error) {
      // Bytes whose sync failed look well in the memory of the system: they are not to be found and counted.
      await written.catch(() => this.sessions.retract(uploadId, range)).catch(() => undefined);
      throw error;
    }
  }

  /**
   * The next chunk in series is one statement, then its bytes, then COMMIT: the offset is moved first, seen by nobody,
   * and the lock that comes with it keeps other writers away. Any other chunk is judged under the same lock.
   */
  private async appendLocked(caller: Caller, chunk: Chunk & { uploadId: string }): Promise<Receipt> {
    const { id: ownerId } = caller;
    const { uploadId, range } = chunk;
    let moved: Advanced | undefined;
    const outcome = await this.db.transaction(
      (db) => this.sessions.advance(db, ownerId, uploadId, range),
      async (db, advanced) => {
        moved = advanced;
        if (advanced) return await this.write(db, ownerId, chunk, advanced);
        return await this.place(db, alive(await this.sessions.lock(db, ownerId, uploadId)), chunk);
      },
    );
    if (outcome === FOREIGN) {
      await this.takeOver(ownerId, uploadId);
      return await this.appendLocked(caller, chunk);
    }
    if (outcome instanceof AppError) {
      this.audit.record('upload.rejected', caller, { upload: uploadId, reason: outcome.code });
      await this.sessions.clean(this.db, uploadId);
      throw outcome;
    }
    if (moved) this.keepLease(ownerId, uploadId, range, moved);
    return outcome;
  }

  /** A chunk may be written before Postgres is asked only where it is sure to be the next one. */
  keepLease(ownerId: string, id: string, { end, total }: ByteRange, { own, file, mime }: Advanced): void {
    const offset = end + 1;
    if (own && !this.content.mayTellMore({ mime, offset }))
      this.leases.keep(id, { ownerId, total, offset, file });
  }

  /** A chunk that repeats bytes, all or some, or fits nowhere. */
  private async place(
    db: Queryable,
    found: UploadSession,
    chunk: Chunk & { uploadId: string },
  ): Promise<Receipt | AppError | typeof FOREIGN> {
    const { range, bytes } = chunk;
    const session = found.foreign ? await this.reader.count(found) : await this.resolve(db, found);
    const overlap = overlapOf(session, range);
    if (overlap > 0) await this.compare(session, range.start, bytes.subarray(0, overlap));
    if (overlap === bytes.length) return { ...session, replayed: true, asked: false };
    if (session.foreign) return FOREIGN;
    const rest = { ...chunk, range: { ...range, start: session.offset }, bytes: bytes.subarray(overlap) };
    const advanced = await this.sessions.advance(db, session.ownerId, session.id, rest.range);
    if (!advanced) throw new Error(`Upload moved away from ${session.offset} under its lock`);
    return await this.write(db, session.ownerId, rest, advanced);
  }

  /** Makes an end of a tail of this process, which is writing nothing now: a failure has left it, or a fence. */
  private async resolve(db: Queryable, session: UploadSession): Promise<UploadSession> {
    const { id, file, tail } = session;
    if (!tail) return session;
    const offset = (await this.store.rewrite(file, session.offset, tail)) ? tail.end : session.offset;
    await this.sessions.resolve(db, id, offset);
    return { ...session, offset, tail: undefined };
  }

  /**
   * Lets this process, and from then on any, write to an upload that another one has opened. That one may be dead, or only
   * slow and about to write: so the bytes go on in a copy, and what it still writes is lost on nobody.
   */
  private async takeOver(ownerId: string, id: string): Promise<void> {
    const { file, offset, tail } = alive(await this.sessions.find(this.db, ownerId, id));
    // Before the lock, since it takes a while. Bytes below the offset never change.
    const copy = await this.store.copy(id, file, offset, tail);
    const taken = await this.db.transaction(
      (db) => this.sessions.lock(db, ownerId, id),
      async (db, current) => {
        // Else it was taken over or ended meanwhile, or its writer lives and went on: the chunk is judged again.
        if (current?.state !== 'open' || current.file !== file || current.offset !== offset) return false;
        if (current.tail?.end !== tail?.end) return false;
        if (copy === undefined) throw new ServiceUnavailable('The bytes are out of reach');
        // Else its tail came after the copy, and somebody may have counted it; or the copy was swept, so long it took.
        if (!(await this.isWhole(copy, current))) return false;
        await this.sessions.share(db, id, copy);
        return true;
      },
    );
    const left = taken ? file : copy?.file;
    if (left !== undefined) await this.store.discard(left);
  }

  private async isWhole(copy: Copy, { file, offset, tail }: UploadSession): Promise<boolean> {
    if (!(await this.store.exists(copy.file))) return false;
    return !tail || copy.size === tail.end || !(await this.store.keeps(file, offset, tail));
  }

  /** Returns a refusal, instead of throwing it, where the transaction has to commit what became of the session. */
  private async write(
    db: Queryable,
    ownerId: string,
    { uploadId, range, bytes, declared }: Chunk & { uploadId: string },
    advanced: Advanced,
  ): Promise<Receipt | AppError> {
    await this.store.write(advanced.file, range.start, bytes);
    const refusal = this.content.mayTellMore({ mime: advanced.mime, offset: range.start })
      ? await this.judgeAgain(db, ownerId, uploadId, declared)
      : undefined;
    const { expiresAt } = advanced;
    return refusal ?? { id: uploadId, offset: range.end + 1, expiresAt, replayed: false, asked: false };
  }

  /** The first chunk was too small to tell what it is the start of: judges it together with those after it. */
  private async judgeAgain(
    db: Queryable,
    ownerId: string,
    id: string,
    declared: string | null,
  ): Promise<AppError | undefined> {
    const session = alive(await this.sessions.find(db, ownerId, id));
    const { total, offset, fileName } = session;
    const bytes = await this.store.read(session, (file) => readAt(file, offset, 0));
    try {
      const type = await this.content.admit({ bytes, total, fileName, declared: declared ?? fileName });
      if (type) await this.sessions.identify(db, id, type.mime);
      return undefined;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await this.sessions.abandon(db, id, 'rejected', { code: error.code, detail: error.detail });
      return error;
    }
  }

  private async compare(session: UploadSession, start: number, repeated: Buffer): Promise<void> {
    if (await this.store.holds(session, start, repeated)) return;
    throw session.mediaId === null ? new ChunkConflict(session.offset) : new UploadComplete(session.mediaId);
  }
}
