import { statSync } from 'node:fs';
import { chmod, stat, statfs } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { allAfterSettled } from '../../../concurrency/all-after-settled.js';
import { ServiceUnavailable } from '../../../errors/app-error.js';
import { unlessAbsent } from '../../../storage/local/files.js';
import { LocalStorage } from '../../../storage/local/local-storage.js';
import { storing } from '../../../storage/storage.errors.js';
import { positionAfter, UploadStore } from './upload-store.js';
import type { Addition, Committed, FoundSession, Position } from './upload-store.js';

/** Types of local file systems: ext2 to ext4, XFS, Btrfs, ZFS, F2FS, tmpfs, overlayfs. Others may answer from a cache. */
const LOCAL = new Set([0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0xf2f52010, 0x01021994, 0x794c7630]);

const FENCE = 0o100; // A mode bit that means nothing else: nobody runs these files.
const NO_TAIL = 'tail_part = NULL, tail_end = NULL, tail_crc = NULL';

/**
 * An optimisation: a chunk that is alone in its process is written and committed at the same time. Its row keeps the offset
 * and announces a *tail*: the part, end and CRC-32 of bytes that may not be durable yet. The writer acknowledges the chunk
 * once they are; a tail whose bytes a crash cut short counts for nothing.
 * A row with a tail names no last part, so no other compare-and-set matches it. Anyone else who meets it *adopts* the tail:
 * fences its part, checks the bytes and copies them to a new part, since after a failed sync they may only be in memory.
 * The writer writes, then looks for the fence; the adopter sets the fence, then looks for the bytes: one sees the other.
 */
@Injectable()
export class AnnouncingUploadStore extends UploadStore implements OnModuleInit {
  /** Where uploads stand whose last chunk, a tail in the row, this process has acknowledged. */
  private readonly tailed = new LRUCache<string, Position>({ max: 4096 });
  private underWay = 0;
  private alone = 1; // Lone chunks in a row. The first after a busy moment might have shared a statement.
  private isLocal = false;

  async onModuleInit(): Promise<void> {
    if (process.platform !== 'linux' || !(this.storage instanceof LocalStorage)) return;
    this.isLocal = LOCAL.has((await statfs(this.path(''))).type);
  }

  override async find(ownerId: string, id: string): Promise<FoundSession | undefined> {
    for (let round = 1; round <= 5; round++) {
      const session = await super.find(ownerId, id);
      if (session?.part !== null || session.state !== 'open') return session;
      if (!(await this.confirm(id))) await this.adopt(session);
    }
    throw new ServiceUnavailable('The upload is changing too fast; try again');
  }

  override async append(position: Position, addition: Addition): Promise<Position | undefined> {
    const { range, mime } = addition;
    this.alone = this.underWay++ === 0 ? this.alone + 1 : 0;
    const isTailed = this.tailed.get(position.id) === position;
    try {
      const isCalm = this.alone > 1 && this.isLocal && range.end + 1 < range.total && mime === position.mime;
      if (isCalm && !this.isFenced(position.part.name)) return await this.announce(position, addition);
      if (!isTailed) return await super.append(position, addition);
      if (!(await this.appendBytes(position, addition))) return undefined;
      const committed = await this.move(`"offset" = $4, part = $6, ${NO_TAIL}`, position, addition);
      return committed && positionAfter(position, addition, committed);
    } finally {
      this.underWay--;
    }
  }

  private async announce(position: Position, addition: Addition): Promise<Position | undefined> {
    // The bytes take longest, so they start first.
    const written = this.appendBytes(position, addition);
    const changes = `"offset" = $3, part = NULL, tail_part = $6, tail_end = $4, tail_crc = $7`;
    const announced = this.move(changes, position, addition, crc32(addition.bytes));
    announced.catch(() => undefined); // It may fail while the bytes are being written; it is reported below.
    if (!(await written.catch(() => false)))
      await announced.then(() => this.retract(position, addition)).catch(() => undefined);
    const [isWritten, committed] = await allAfterSettled(written, announced);
    if (!isWritten || !committed || this.isFenced(position.part.name)) return undefined;
    this.tailed.set(position.id, positionAfter(position, addition, committed));
    return this.tailed.get(position.id);
  }

  private async move(changes: string, position: Position, { range }: Addition, ...crc: number[]) {
    const { id, ownerId, total, part } = position;
    const { rows } = await this.db.query<Committed>(
      `UPDATE upload_session SET ${changes}, expires_at = ${this.expiry}
       WHERE id = $1 AND owner_id = $2 AND total = $5 AND state = 'open' AND expires_at > now()
         AND ("offset" = $3 AND part = $6 OR tail_end = $3 AND tail_part = $6)
       RETURNING expires_at AS "expiresAt", now() AS now`,
      [id, ownerId, range.start, range.end + 1, total, part.name, ...crc],
    );
    return rows[0];
  }

  /** Takes back what could not be written. The part is the last one again, but this process never continues it. */
  private async retract({ id, part }: Position, { range }: Addition): Promise<void> {
    await this.db.query(
      `UPDATE upload_session SET part = tail_part, ${NO_TAIL}
       WHERE id = $1 AND tail_part = $2 AND "offset" = $3 AND tail_end = $4`,
      [id, part.name, range.start, range.end + 1],
    );
  }

  /** False unless the tail is of this process, which knows that its bytes are durable. */
  private async confirm(id: string): Promise<boolean> {
    const { part, offset } = this.tailed.get(id) ?? {};
    if (!part || !this.tailed.delete(id)) return false;
    const { rowCount } = await this.db.query(
      `UPDATE upload_session SET "offset" = tail_end, part = tail_part, ${NO_TAIL}
       WHERE id = $1 AND tail_part = $2 AND tail_end = $3`,
      [id, part.name, offset],
    );
    return rowCount === 1;
  }

  private async adopt({ id, offset, now }: FoundSession): Promise<void> {
    const { rows } = await this.db.query<{ name: string; start: number; end: number; crc: number }>(
      `SELECT name, start::float8 AS start, tail_end::float8 AS "end", tail_crc::float8 AS crc
       FROM upload_session JOIN upload_part ON name = tail_part WHERE id = $1 AND "offset" = $2`,
      [id, offset],
    );
    const [tail] = rows;
    if (!tail) return;
    // Its other bits stay: if the writer goes on, the part may become the finished file.
    const fence = async (path: string) => chmod(path, (await stat(path)).mode | FENCE);
    await storing(() => unlessAbsent(fence(this.path(tail.name))));
    const bytes = await this.storage.read('uploads', tail.name, offset - tail.start, tail.end - offset);
    const isWhole = bytes?.length === tail.end - offset && crc32(bytes) === tail.crc;
    const part = bytes && isWhole ? await this.storage.createPart(id, bytes) : tail.name;
    const { rowCount } = await this.db.query(
      `WITH adopted AS (
         UPDATE upload_session SET "offset" = $2, part = $3, ${NO_TAIL}
         WHERE id = $1 AND state = 'open' AND "offset" = $4 AND tail_part = $5 AND tail_end = $6 AND now() < $7
         RETURNING id),
       named AS (INSERT INTO upload_part (upload_id, start, name) SELECT id, $4, $3 FROM adopted WHERE $3 <> $5)
       SELECT id FROM adopted`,
      [id, isWhole ? tail.end : offset, part, offset, tail.name, tail.end, this.deadline(now)],
    );
    if (rowCount === 0 && part !== tail.name) await this.storage.remove('uploads', part);
  }

  /** Tails are in local files alone. */
  private path = (name: string): string => (this.storage as LocalStorage).path('uploads', name);

  /** Without a trip to the thread pool: the system has it in memory. A file that can't be looked at counts as fenced. */
  private isFenced(name: string): boolean {
    try {
      return (statSync(this.path(name)).mode & FENCE) !== 0;
    } catch {
      return true;
    }
  }
}
