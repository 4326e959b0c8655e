/** Where a blob lies. `uploads` holds parts and scratch files, `files` finished files, `quarantine` those set aside. */
export type Area = 'uploads' | 'files' | 'thumbnails' | 'quarantine';

/** A range of a part, counted from the start of the part. */
export interface PartRange {
  readonly name: string;
  /** Bytes from the start of the part that count. */
  readonly length: number;
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
   * Writes to a part that this process created, `position` bytes from its start. False if the part can't be continued: create
   * another one. After a failure the caller must not append to it again.
   */
  abstract appendPart(name: string, position: number, bytes: Buffer): Promise<boolean>;

  /** Makes one scratch blob of the parts of an upload, in their order. Nobody else knows its name. */
  abstract assemble(uploadId: string, parts: readonly PartRange[]): Promise<string>;

  /** Makes a scratch blob the finished file `key`, which is a new name. */
  abstract publish(scratch: string, key: string): Promise<void>;

  /** Writes a whole blob under a new name. */
  abstract put(area: Area, name: string, bytes: Buffer): Promise<void>;

  /** Reads up to `length` bytes, fewer only where the blob ends; undefined if there is no such blob. */
  abstract read(area: Area, name: string, position: number, length: number): Promise<Buffer | undefined>;

  /** Returns the path of a local file with the bytes of a blob. */
  abstract path(area: Area, name: string): string;

  /** Returns the length in bytes; undefined if there is no such blob. */
  abstract size(area: Area, name: string): Promise<number | undefined>;

  /** Removes a blob; succeeds if there is none. */
  abstract remove(area: Area, name: string): Promise<void>;

  /** Sets a finished file aside, as `name` in `quarantine`; succeeds if there is none. */
  abstract quarantine(key: string, name: string): Promise<void>;

  /** Puts a finished file that was set aside as `key` back; succeeds if there is none. */
  abstract putBack(key: string): Promise<void>;

  /** Lists blobs that were last changed more than `ageSeconds` ago, in batches of at most `batchSize` names. */
  abstract listOld(area: Area, ageSeconds: number, batchSize: number): AsyncIterable<string[]>;

  /** Returns the bytes of the disk; Infinity where the store does not tell. */
  abstract space(): Promise<{ readonly free: number; readonly total: number }>;

  /** Whether uploads can be stored. False after several failures within a minute. */
  abstract isHealthy(): Promise<boolean>;
}
