import { statSync } from 'node:fs';
import { chmod, statfs } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Inject, Injectable } from '@nestjs/common';
import { allAfterSettled } from '../../../concurrency/all-after-settled.js';
import { Config } from '../../../config/config.js';
import { unlessAbsent } from '../../../storage/local/files.js';
import { storing } from '../../../storage/storage.errors.js';
import { extendedExpiry } from './expiry.js';
import type { Position } from './position.js';
import type { UploadSession } from './upload-session.entity.js';
import { moved, UploadStore, type Appendix, type PageRequest, type SessionPage } from './upload-store.js';

/** Types of local file systems: ext2 to ext4, XFS, Btrfs, ZFS, F2FS, tmpfs, overlayfs. Others may answer from a cache. */
const LOCAL = new Set([0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0xf2f52010, 0x01021994, 0x794c7630]);

/** A mode bit that means nothing else: nobody runs these files. */
const FENCE = 0o100;
const NO_TAIL = 'tail_part = NULL, tail_end = NULL, tail_crc = NULL';

/**
 * An optimisation, all in this file: a chunk that is alone in its process is written and committed at the same time. The row
 * can't say that its bytes are durable, only that they are coming: the offset stays where they start, and the tail tells their
 * part, end and CRC-32. The bytes of an acknowledged tail are in its part. Those that a crash cut short count for nothing.
 * A row with a tail names no last part, so no other compare-and-set takes it. Whoever meets it *adopts* the tail: fences its
 * part, reads the bytes and, if they are whole, writes them to a new part, since after a failed sync they may only look well.
 * The writer writes, then looks for the fence; the adopter sets the fence, then looks for the bytes: one sees the other.
 */
@Injectable()
export class AnnouncingUploadStore extends UploadStore {
  @Inject() private readonly config!: Config;
  /** Positions whose last chunk is a tail in the row. */
  private readonly tailed = new WeakSet<Position>();
  private underWay = 0;
  private isPossible = false;

  override async onModuleInit(): Promise<void> {
    await super.onModuleInit();
    this.isPossible = process.platform === 'linux' && LOCAL.has((await statfs(this.config.dataDir)).type);
  }

  override async find(ownerId: string, id: string): Promise<UploadSession | undefined> {
    let session = await super.find(ownerId, id);
    // Each round but the last means that the writer has made progress meanwhile.
    for (let round = 1; round <= 5 && session?.part === null && session.state === 'open'; round++) {
      await this.adopt(session);
      session = await super.find(ownerId, id);
    }
    return session;
  }

  override async page(ownerId: string, page: PageRequest): Promise<SessionPage> {
    const { count, sessions } = await super.page(ownerId, page);
    const found: UploadSession[] = [];
    for (const session of sessions)
      found.push((session.part === null && (await this.find(ownerId, session.id))) || session);
    return { count, sessions: found };
  }

  override async append(id: string, position: Position, appendix: Appendix): Promise<Position | undefined> {
    const { range, identified, mime } = appendix;
    const isAlone = this.underWay++ === 0;
    try {
      if (isAlone && this.isPossible && range.end + 1 < range.total && identified && mime === null)
        return await this.announce(id, position, appendix);
      if (!this.tailed.has(position)) return await super.append(id, position, appendix);
      if (!(await this.appendBytes(position, appendix))) return undefined;
      const expiresAt = await this.move(`"offset" = $4, part = $6, ${NO_TAIL}`, id, position, appendix);
      return expiresAt && moved(position, appendix, expiresAt);
    } finally {
      this.underWay--;
    }
  }

  private async announce(id: string, position: Position, appendix: Appendix): Promise<Position | undefined> {
    // The bytes take longest, so they start first.
    const written = this.appendBytes(position, appendix);
    const changes = `"offset" = $3, part = NULL, tail_part = $6, tail_end = $4, tail_crc = $7`;
    const announced = this.move(changes, id, position, appendix, crc32(appendix.bytes));
    // It may fail while the bytes are still being written; allAfterSettled reports it.
    announced.catch(() => undefined);
    if (!(await written.catch(() => false)))
      await announced.then(() => this.retract(id, position, appendix)).catch(() => undefined);
    const [isWritten, expiresAt] = await allAfterSettled(written, announced);
    if (!isWritten || !expiresAt || this.isFenced(position.part.name)) return undefined;
    const next = moved(position, appendix, expiresAt);
    this.tailed.add(next);
    return next;
  }

  private async move(
    changes: string,
    id: string,
    { ownerId, total, part }: Position,
    { range: { start, end } }: Appendix,
    ...crc: number[]
  ): Promise<Date | undefined> {
    const { rows } = await this.db.query<{ expires_at: Date }>(
      `UPDATE upload_session SET ${changes}, expires_at = ${extendedExpiry(this.config.uploads)}
       WHERE id = $1 AND owner_id = $2 AND total = $5 AND state = 'open' AND expires_at > now()
         AND ("offset" = $3 AND part = $6 OR tail_end = $3 AND tail_part = $6)
       RETURNING expires_at`,
      [id, ownerId, start, end + 1, total, part.name, ...crc],
    );
    return rows[0]?.expires_at;
  }

  /** Takes back what could not be written. The part is the last one again, but this process never continues it. */
  private async retract(id: string, { part }: Position, { range }: Appendix): Promise<void> {
    await this.db.query(
      `UPDATE upload_session SET part = tail_part, ${NO_TAIL}
       WHERE id = $1 AND tail_part = $2 AND "offset" = $3 AND tail_end = $4`,
      [id, part.name, range.start, range.end + 1],
    );
  }

  private async adopt({ id, offset }: UploadSession): Promise<void> {
    const { rows } = await this.db.query<{ name: string; start: number; end: number; crc: number }>(
      `SELECT name, start::float8 AS start, tail_end::float8 AS "end", tail_crc::float8 AS crc
       FROM upload_session JOIN upload_part ON name = tail_part WHERE id = $1 AND "offset" = $2`,
      [id, offset],
    );
    const [tail] = rows;
    if (!tail) return;
    await storing(() => unlessAbsent(chmod(this.storage.path('uploads', tail.name), 0o600 | FENCE)));
    const bytes = await this.storage.read('uploads', tail.name, offset - tail.start, tail.end - offset);
    const isWhole = bytes?.length === tail.end - offset && crc32(bytes) === tail.crc;
    const deadline = this.deadline.next();
    const part = bytes && isWhole ? await this.storage.createPart(id, bytes) : tail.name;
    const { rows: adopted } = await this.db.query(
      `WITH adopted AS (
         UPDATE upload_session SET "offset" = $2, part = $3, ${NO_TAIL}
         WHERE id = $1 AND state = 'open' AND "offset" = $4 AND tail_part = $5 AND tail_end = $6 AND now() < $7
         RETURNING id),
       named AS (INSERT INTO upload_part (upload_id, start, name) SELECT id, $4, $3 FROM adopted WHERE $3 <> $5)
       SELECT id FROM adopted`,
      [id, isWhole ? tail.end : offset, part, offset, tail.name, tail.end, deadline],
    );
    if (adopted.length === 0 && part !== tail.name) await this.storage.remove('uploads', part);
  }

  /** Without a trip to the thread pool: the system has it in memory. A file that can't be looked at counts as fenced. */
  private isFenced(name: string): boolean {
    try {
      return (statSync(this.storage.path('uploads', name)).mode & FENCE) !== 0;
    } catch {
      return true;
    }
  }
}
