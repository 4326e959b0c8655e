import { Injectable } from '@nestjs/common';
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

/**
 * Refuses an upload that the disk could not take to its end, rather than all uploads halfway through. Servers see each other's
 * uploads a second later, so DISK_RESERVE_BYTES is a margin and not a promise.
 */
@Injectable()
export class FreeSpace {
  /** Free bytes at the last measurement, less what was reserved since. */
  private bytes = 0;
  private freshUntil = 0;
  private pending: Promise<void> | undefined;

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly storage: BlobStorage,
  ) {}

  /**
   * Sets space aside for an upload of `total` bytes. Not in a transaction: measuring takes a connection of its own.
   * @throws StorageFull
   */
  async reserve(total: number): Promise<void> {
    if (this.config.limits.diskReserveBytes === 0) return;
    // Concurrent callers share one measurement.
    if (performance.now() >= this.freshUntil)
      await (this.pending ??= this.measure().finally(() => (this.pending = undefined)));
    if (this.bytes < total) throw new StorageFull();
    this.bytes -= total;
  }

  /** Counts what is free, less what open uploads have yet to send. */
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
    this.bytes = free - Number(rows[0]?.promised) - diskReserveBytes;
    this.freshUntil = begun + Math.max(FRESH_MS, (performance.now() - begun) / MEASURING_SHARE);
  }
}
