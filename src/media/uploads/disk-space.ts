import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { settled } from '../../settled.js';
import { FileStore } from '../../storage/file-store.js';
import { StorageFull } from '../../storage/storage.errors.js';

/** How long a look at the disk is good, and how much of its time this process gives to looking. */
const FRESH_MS = 1000;
const SHARE = 1 / 20;
/** What is left free unless DISK_RESERVE_BYTES says otherwise: so much, and of a small disk so little. */
const RESERVE_BYTES = 256 * 1024 * 1024;
const RESERVE_SHARE = 1 / 100;

/** What the disk had to give at the last look, less what was claimed since. */
export class Room {
  constructor(private bytes: number) {}

  /** @throws StorageFull */
  claim(total: number): void {
    if (this.bytes < total) throw new StorageFull();
    this.bytes -= total;
  }
}

/**
 * Lets an upload be refused that the disk could not take to its end, rather than all of them in the middle. Servers see each
 * other's uploads a second later, so DISK_RESERVE_BYTES is a margin and not a promise.
 */
@Injectable()
export class DiskSpace {
  private latest: Promise<Room> | undefined;
  private bestBefore = 0;

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly store: FileStore,
  ) {}

  /** Not within a transaction: looking takes a connection of its own. */
  async room(): Promise<Room> {
    if (this.config.limits.diskReserveBytes === 0) return new Room(Infinity);
    if (!this.latest || performance.now() >= this.bestBefore) {
      // Who comes meanwhile waits for the same look.
      this.bestBefore = Infinity;
      this.latest = this.look();
    }
    return await this.latest;
  }

  /** What is free, less what open uploads have yet to send. */
  private async look(): Promise<Room> {
    const begun = performance.now();
    try {
      const [{ free, total }, { rows }] = await settled(
        this.store.space(),
        this.db.query<{ promised: string }>(
          `SELECT coalesce(sum(total - "offset"), 0) AS promised
           FROM upload_session WHERE state = 'open' AND expires_at > now()`,
        ),
      );
      this.bestBefore = begun + Math.max(FRESH_MS, (performance.now() - begun) / SHARE);
      const { diskReserveBytes = Math.min(RESERVE_BYTES, total * RESERVE_SHARE) } = this.config.limits;
      return new Room(free - Number(rows[0]?.promised) - diskReserveBytes);
    } catch (error) {
      this.bestBefore = 0;
      throw error;
    }
  }
}
