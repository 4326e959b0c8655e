import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Database, type Queryable } from '../../database/database.js';
import type { AppError } from '../../errors/app-error.js';
import { ReservedQuotaExceeded, StoredQuotaExceeded, TooManyUploads } from './upload.errors.js';

/** Tells these locks from those of anybody else in the database. */
const LOCK_SPACE = 7_326_119;
const LOCK = `SELECT pg_advisory_xact_lock($1, hashtext($2))`;

/** Longer than an upload takes from its claim to its COMMIT; what a crash leaves behind counts for no longer. */
const CLAIM_TTL = '60 seconds';

/**
 * Open uploads count with their totals, and so do claims of which an upload is about to come. A limit of null is passed by
 * nothing. The last rule: all that is open must fit once it is complete.
 */
const CLAIM = `
  WITH forgotten AS (DELETE FROM upload_claim WHERE owner_id = $2 AND expires_at <= now()),
    pending AS (
      SELECT total FROM upload_claim WHERE owner_id = $2 AND expires_at > now() UNION ALL
      SELECT total FROM upload_session WHERE owner_id = $2 AND state = 'open' AND expires_at > now()),
    used AS (
      SELECT count(*) + 1 AS open, coalesce(sum(total), 0) + $3::bigint AS reserved,
             (SELECT coalesce(sum(size), 0) FROM media WHERE owner_id = $2 AND $6::bigint IS NOT NULL) AS stored
      FROM pending),
    judged AS (
      SELECT CASE WHEN stored + $3 > $6 THEN 'stored'
                  WHEN open > $4::bigint THEN 'open'
                  WHEN reserved > $5::bigint THEN 'reserved'
                  WHEN stored + reserved > $6 THEN 'promised' END AS refusal FROM used),
    claimed AS (
      INSERT INTO upload_claim (id, owner_id, total, expires_at)
      SELECT $1, $2, $3, now() + interval '${CLAIM_TTL}' FROM judged WHERE refusal IS NULL)
  SELECT refusal FROM judged`;

type Refusal = 'stored' | 'open' | 'reserved' | 'promised';

/** Room for one upload of a user; undefined where nothing is limited. */
export type Claim = string | undefined;

/**
 * How much one user may have. A claim is made under a lock of the user, so that first chunks which come at once see each
 * other, and in a transaction of its own, so that nobody waits behind a disk. There is no counter that a crash could leave
 * wrong: what ends is free at once, and what expires by the clock of Postgres.
 */
@Injectable()
export class UserLimits {
  private readonly logger = new Logger('Limits');

  constructor(
    private readonly config: Config,
    private readonly db: Database,
  ) {}

  /** @throws TooManyUploads, ReservedQuotaExceeded, StoredQuotaExceeded */
  async claim(ownerId: string, total: number): Promise<Claim> {
    const { openUploads, reservedBytes, storedBytes } = this.config.limits;
    if (openUploads + reservedBytes + storedBytes === 0) return undefined;
    const id = randomUUID();
    const limits = [openUploads, reservedBytes, storedBytes].map((limit) => limit || null);
    // Two statements: each sees what was committed before it began, and the sum must begin with the lock.
    const { rows } = await this.db.together<{ refusal: Refusal | null }>(
      [LOCK, [LOCK_SPACE, ownerId]],
      [CLAIM, [id, ownerId, total, ...limits]],
    );
    const refusal = rows[0]?.refusal;
    if (refusal) throw this.refused(refusal);
    return id;
  }

  /** Within the transaction that opens the upload, which counts from then on. */
  async redeem(db: Queryable, claim: Claim): Promise<void> {
    if (claim !== undefined) await db.query(`DELETE FROM upload_claim WHERE id = $1`, [claim]);
  }

  /** When no upload came of it. */
  async release(claim: Claim): Promise<void> {
    await this.redeem(this.db, claim).catch((err: unknown) =>
      this.logger.warn({ err }, 'A claim is left to expire'),
    );
  }

  private refused(refusal: Refusal): AppError {
    const { openUploads, reservedBytes, storedBytes } = this.config.limits;
    if (refusal === 'stored') return new StoredQuotaExceeded(storedBytes);
    if (refusal === 'open') return new TooManyUploads(openUploads);
    return new ReservedQuotaExceeded(refusal === 'reserved' ? reservedBytes : storedBytes);
  }
}
