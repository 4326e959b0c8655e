import { Injectable } from '@nestjs/common';
import { Audit } from '../../../audit/audit.js';
import { allAfterSettled } from '../../../concurrency/all-after-settled.js';
import { Config } from '../../../config/config.js';
import { Database } from '../../../database/database.js';
import { BlobStorage } from '../../../storage/blob-storage.js';
import { StorageFull } from '../../../storage/storage.errors.js';

/** How long a measurement is good, and the share of its time that this process spends measuring. */
const FRESH_MS = 1000;
const MEASURING_SHARE = 1 / 20;
/** What stays free unless DISK_RESERVE_BYTES says otherwise: this much, or this share of a small disk. */
const RESERVE_BYTES = 256 * 1024 * 1024;
const RESERVE_SHARE = 1 / 100;
/** Share of the free space for the open uploads of one user. */
const USER_SHARE = 1 / 10;
/** An upload that is slower than this on average, a minute after it began, may have to make room. */
const MIN_BYTES_PER_SECOND = 1000;

/**
 * Expires slow uploads until $1 bytes are no longer promised: first those of the user with the most reserved, the slowest
 * first. None if all of them together would not be enough.
 */
const MAKE_ROOM = `
  WITH uploads AS (
    SELECT id, owner_id, created_at, "offset", total - "offset" AS missing,
           sum(total - "offset") OVER (PARTITION BY owner_id) AS reserved,
           "offset" / extract(epoch FROM now() - created_at + interval '1 second') AS rate
    FROM upload_session WHERE state = 'open' AND expires_at > now()),
  slow AS (
    SELECT id, missing, sum(missing) OVER (ORDER BY reserved DESC, owner_id, rate, id) - missing AS room
    FROM uploads WHERE missing > 0 AND created_at < now() - interval '1 minute' AND rate < ${MIN_BYTES_PER_SECOND})
  UPDATE upload_session SET state = 'expired'
  WHERE id IN (SELECT id FROM slow WHERE room < $1 AND (SELECT sum(missing) FROM slow) >= $1) AND state = 'open'
  RETURNING id, owner_id, (total - "offset")::float8 AS missing`;

/** Space that is set aside for an upload. */
export interface Reservation {
  /** Bytes that the open uploads of one user may have together, unless it is only one. */
  readonly share: number;
  /** Call if the upload was not opened after all. */
  readonly giveBack: () => void;
}

/**
 * Refuses an upload that the disk could not take to its end, rather than all uploads halfway through. Servers see each
 * other's uploads a second later, so DISK_RESERVE_BYTES is a margin and not a promise.
 */
@Injectable()
export class FreeSpace {
  /** Free bytes at the last measurement, and what of them is promised to open uploads. */
  private free = 0;
  private promised = 0;
  private freshUntil = 0;
  private pending: Promise<void> | undefined;

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly storage: BlobStorage,
    private readonly audit: Audit,
  ) {}

  /**
   * Sets space aside for an upload of `total` bytes. Not in a transaction: measuring takes a connection of its own.
   * @throws StorageFull
   */
  async reserve(total: number): Promise<Reservation> {
    if (this.config.limits.diskReserveBytes === 0) return { share: Infinity, giveBack: () => undefined };
    if (performance.now() >= this.freshUntil) await this.once(() => this.measure());
    // Another upload may have made room, or found none, for itself alone.
    for (let i = 0; i < 2 && this.free >= total && this.free - this.promised < total; i++)
      await this.once(() => this.makeRoom(total + this.promised - this.free));
    if (this.free - this.promised < total) throw new StorageFull();
    this.promised += total;
    const { freshUntil } = this;
    const giveBack = () => {
      // A later measurement does not include this reservation.
      if (this.freshUntil === freshUntil) this.promised -= total;
    };
    return { share: this.free * USER_SHARE, giveBack };
  }

  /** Concurrent callers share one measurement, and one clearance. */
  private async once(work: () => Promise<void>): Promise<void> {
    await (this.pending ??= work().finally(() => (this.pending = undefined)));
  }

  /** Counts what is free, and what open uploads have yet to send. */
  private async measure(): Promise<void> {
    const begun = performance.now();
    const [{ free, total }, { rows }] = await allAfterSettled(
      this.storage.space(),
      this.db.query<{ promised: string }>(
        `SELECT coalesce(sum(total - "offset"), 0) AS promised
         FROM upload_session WHERE state = 'open' AND expires_at > now()`,
      ),
    );
    const { diskReserveBytes = Math.min(RESERVE_BYTES, total * RESERVE_SHARE) } = this.config.limits;
    this.free = free - diskReserveBytes;
    this.promised = Number(rows[0]?.promised);
    this.freshUntil = begun + Math.max(FRESH_MS, (performance.now() - begun) / MEASURING_SHARE);
  }

  /** The sweeper removes the parts. */
  private async makeRoom(bytes: number): Promise<void> {
    const { rows } = await this.db.query<{ id: string; owner_id: string; missing: number }>(MAKE_ROOM, [
      bytes,
    ]);
    for (const { id, owner_id, missing } of rows) {
      this.promised -= missing;
      this.audit.record('upload.expired', { id: owner_id }, { upload: id, reason: 'storage-full' });
    }
  }
}
