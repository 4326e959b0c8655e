import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import type { Queryable } from '../../database/database.js';
import { settled } from '../../settled.js';
import { ReservedQuotaExceeded, StoredQuotaExceeded, TooManyUploads } from './upload.errors.js';

/** What a user has, before the upload that is about to be opened. */
export interface Usage {
  readonly openUploads: number;
  /** The totals of the open uploads, whatever has come of them so far. */
  readonly reservedBytes: number;
  readonly storedBytes: number;
}

/** Tells these locks from those of anybody else in the database. */
const LOCK_SPACE = 7_326_119;

/**
 * How much one user may have. What is not used any more is free at once, and by the clock of Postgres: there is no
 * counter that a crash could leave wrong.
 */
@Injectable()
export class UserLimits {
  constructor(private readonly config: Config) {}

  /**
   * What the user has; others of the same user wait with this question until the transaction ends, so that those who come
   * at once see each other. Undefined when nothing is limited.
   */
  async usage(db: Queryable, ownerId: string): Promise<Usage | undefined> {
    const { openUploads, reservedBytes, storedBytes } = this.config.limits;
    if (openUploads + reservedBytes + storedBytes === 0) return undefined;
    // Two statements, sent together: one sees what was committed before it began, and the sum must begin with the lock.
    const [, { rows }] = await settled(
      db.query(`SELECT pg_advisory_xact_lock($1, hashtext($2))`, [LOCK_SPACE, ownerId]),
      db.query<Record<'open' | 'reserved' | 'stored', string>>(
        `SELECT count(*) AS open, coalesce(sum(total), 0) AS reserved,
                (SELECT coalesce(sum(size), 0) FROM media WHERE owner_id = $1 AND $2::boolean) AS stored
         FROM upload_session WHERE owner_id = $1 AND state = 'open' AND expires_at > now()`,
        [ownerId, storedBytes > 0],
      ),
    );
    const [row] = rows;
    return (
      row && {
        openUploads: Number(row.open),
        reservedBytes: Number(row.reserved),
        storedBytes: Number(row.stored),
      }
    );
  }

  /** @throws TooManyUploads, ReservedQuotaExceeded, StoredQuotaExceeded */
  check(usage: Usage | undefined, total: number): void {
    if (!usage) return;
    const { openUploads, reservedBytes, storedBytes } = this.config.limits;
    const reserved = usage.reservedBytes + total;
    if (passes(usage.storedBytes + total, storedBytes)) throw new StoredQuotaExceeded(storedBytes);
    if (passes(usage.openUploads + 1, openUploads)) throw new TooManyUploads(openUploads);
    if (passes(reserved, reservedBytes)) throw new ReservedQuotaExceeded(reservedBytes);
    // All that are open must fit once they are complete.
    if (passes(usage.storedBytes + reserved, storedBytes)) throw new ReservedQuotaExceeded(storedBytes);
  }
}

/** 0 is no limit. */
function passes(value: number, limit: number): boolean {
  return limit > 0 && value > limit;
}
