import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';

/** Where a blob lies. `uploads` holds parts, `files` finished files, `quarantine` those set aside. */
export type Area = 'uploads' | 'files' | 'thumbnails' | 'quarantine';

/** A part, of which the first `length` bytes count. */
export interface PartRange {
  readonly name: string;
  readonly length: number;
}

/** What a store says of a blob that clients get from it. */
export interface DirectResponse {
  readonly contentType: string;
  readonly contentDisposition: string | undefined;
  readonly cacheControl: string;
}

/** A local file that nobody else knows. */
export interface ScratchFile {
  readonly file: FileHandle;
  /** Makes its bytes the finished file `key`, which is a new name. */
  publish(key: string): Promise<void>;
}

/**
 * Bytes, and nothing else: no users, no sessions, no SQL. What a resolved promise has written or published survives a power
 * cut. Names are made here or are hex digits, so none needs to be checked.
 *
 * Every method throws ServiceUnavailable when the store fails, StorageFull when it has no space. After a failed write nothing
 * is tried again: the kernel counts the pages as clean, so a second sync would succeed and mean nothing
 * (https://wiki.postgresql.org/wiki/Fsync_Errors).
 */
export abstract class BlobStorage {
  /** Writes a new part of an upload, of which this process is the only writer. Returns a name that is never used again. */
  abstract createPart(uploadId: string, bytes: Buffer): Promise<string>;

  /**
   * Writes to a part that this process created, `position` bytes from its start. False if the part can't be continued, as in
   * an object store: create another one. After a failure the caller must not append to it again.
   */
  abstract appendPart(name: string, position: number, bytes: Buffer): Promise<boolean>;

  /** Assembles the parts of an upload, in their order, in a scratch file that is there while `work` runs. */
  abstract withUpload<T>(
    uploadId: string,
    parts: readonly PartRange[],
    work: (scratch: ScratchFile) => Promise<T>,
  ): Promise<T>;

  /** Opens a local file with the bytes of a finished file while `work` runs. */
  abstract withFile<T>(key: string, work: (file: FileHandle) => Promise<T>): Promise<T>;

  /** Writes a whole blob under a new name. */
  abstract put(area: Area, name: string, bytes: Buffer): Promise<void>;

  /** Reads up to `length` bytes, fewer only where the blob ends; undefined if there is no such blob. */
  abstract read(area: Area, name: string, position: number, length: number): Promise<Buffer | undefined>;

  /** Streams a blob from byte `start` to byte `end`, the last one; undefined if there is no such blob. */
  abstract stream(area: Area, name: string, start: number, end: number): Promise<Readable | undefined>;

  /** Returns a URL at which clients get the blob from the store itself, for some minutes; undefined where they can't. */
  directUrl(_area: Area, _name: string, _response: DirectResponse): Promise<string | undefined> {
    return Promise.resolve(undefined);
  }

  /** Returns the length in bytes; undefined if there is no such blob. */
  abstract size(area: Area, name: string): Promise<number | undefined>;

  /** Removes a blob; succeeds if there is none. */
  abstract remove(area: Area, name: string): Promise<void>;

  /** Removes many blobs; stops at the first that cannot be removed. */
  async removeAll(area: Area, names: readonly string[]): Promise<void> {
    for (const name of names) await this.remove(area, name);
  }

  /** Removes many blobs that no row names any more. May go on after it has resolved; what it leaves is for the sweeper. */
  async discard(area: Area, names: readonly string[]): Promise<void> {
    await this.removeAll(area, names);
  }

  /** Moves a blob to another area, under a new name; succeeds if there is none. */
  abstract move(area: Area, name: string, target: Area, newName: string): Promise<void>;

  /** Lists blobs that were last changed more than `ageSeconds` ago, in batches of at most `batchSize` names. */
  abstract listOld(area: Area, ageSeconds: number, batchSize: number): AsyncIterable<string[]>;

  /** Returns the bytes of the disk; Infinity where the store does not tell. */
  abstract space(): Promise<{ readonly free: number; readonly total: number }>;

  /** Whether uploads can be stored. */
  abstract isHealthy(): Promise<boolean>;

  /** The settings that name the store, and where it is, for people. */
  abstract readonly place: { readonly settings: string; readonly address: string };

  /** Returns the id of the database that the blobs belong to; undefined while none is kept. */
  abstract readDatabaseId(): Promise<string | undefined>;

  abstract writeDatabaseId(id: string): Promise<void>;
}
