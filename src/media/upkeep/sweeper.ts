import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Periodic } from '../../jobs/periodic.js';
import { Config } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { UploadSessions } from '../uploads/sessions/upload-sessions.js';
import { Orphans } from './orphans.js';

/** Sessions or files per statement. */
const BATCH = 200;
const MAX_BATCHES = 100;
/** How long an ended upload gets a 410 before it gets a 404. */
const TOMBSTONE = '7 days';
/** Crashes may leave this many orphans in `files/`. More of them mean that the database is older than the files. */
const HANDFUL = 5;
const ADVICE =
  ', as after restoring an older dump: they go to quarantine/ and are removed a week later. ' +
  'To keep them, stop the server, restore the dump that has their rows, and run fsck --fix';

/**
 * Selects some ended uploads with parts, in no particular order. The planner cannot know that there are only a few, so
 * each kind is read in the order of its index.
 */
const UNCLEANED = `
  SELECT id FROM (
    (SELECT id FROM upload_session WHERE state = 'complete' AND cleaned_at IS NULL AND expires_at <= now()
     ORDER BY state, expires_at LIMIT ${10 * BATCH})
    UNION ALL
    (SELECT id FROM upload_session WHERE state IN ('expired', 'cancelled', 'rejected') AND cleaned_at IS NULL
     ORDER BY state, expires_at LIMIT ${10 * BATCH})) AS uncleaned
  ORDER BY random() LIMIT ${BATCH}`;

interface Batch {
  /** At most `BATCH`. */
  readonly found: number;
  readonly removed: number;
}

/** What one round removed. */
export interface Swept {
  readonly expired: number;
  readonly cleaned: number;
  readonly forgotten: number;
  readonly orphans: number;
}

/**
 * Cleans up expired and cancelled uploads, and files without a row. Several instances may sweep at once: every step
 * skips what others have locked, and can be repeated.
 */
@Injectable()
export class Sweeper implements OnModuleDestroy {
  private readonly logger = new Logger('Sweeper');
  private stopping = false;
  private readonly rounds = new Periodic((err) =>
    this.logger.warn({ err }, 'The sweep failed and will be tried again'),
  );

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly sessions: UploadSessions,
    private readonly orphans: Orphans,
    private readonly audit: Audit,
  ) {}

  start(): void {
    const { intervalSeconds } = this.config.sweep;
    if (intervalSeconds === 0) return;
    this.rounds.run(() => this.countOrphans());
    this.rounds.start(intervalSeconds * 1000, () => this.round());
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping = true;
    await this.rounds.stop();
  }

  async sweep(): Promise<Swept> {
    const expired = await this.inBatches(() => this.expire());
    const cleaned = await this.inBatches(() => this.clean());
    const forgotten = await this.inBatches(() => this.forget());
    const orphans = await this.removeOrphans();
    return { expired, cleaned, forgotten, orphans };
  }

  private async round(): Promise<void> {
    const swept = await this.sweep();
    if (Object.values(swept).some((count) => count > 0)) this.logger.log({ ...swept }, 'Swept');
  }

  /** Warns at the start if the database is older than the files. */
  private async countOrphans(): Promise<void> {
    try {
      let orphans = 0;
      for await (const names of this.orphans.findFiles()) {
        if (this.stopping) return;
        orphans += names.length;
      }
      if (orphans > HANDFUL) this.logger.warn({ orphans }, `${orphans} files have no row${ADVICE}`);
    } catch (err) {
      this.logger.warn({ err }, 'The files without a row could not be counted');
    }
  }

  /** Until nothing is left, or nothing can be removed, or it is time for the other steps of the round. */
  private async inBatches(next: () => Promise<Batch>): Promise<number> {
    let total = 0;
    for (let batch = 1; batch <= MAX_BATCHES && !this.stopping; batch++) {
      const { found, removed } = await next();
      total += removed;
      if (found < BATCH || removed === 0) break;
    }
    return total;
  }

  /** Commits before any bytes are removed: an upload ends before its files. */
  private async expire(): Promise<Batch> {
    const { rows } = await this.db.query<{ id: string; owner_id: string }>(
      `UPDATE upload_session SET state = 'expired' WHERE id IN (
         SELECT id FROM upload_session WHERE state = 'open' AND expires_at <= now()
         ORDER BY expires_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)
       RETURNING id, owner_id`,
    );
    for (const { id, owner_id } of rows)
      this.audit.record('upload.expired', { id: owner_id }, { upload: id });
    return { found: rows.length, removed: rows.length };
  }

  private async clean(): Promise<Batch> {
    const { rows } = await this.db.query<{ id: string }>(UNCLEANED);
    return { found: rows.length, removed: await this.attempt(rows, ({ id }) => this.sessions.clean(id)) };
  }

  /** Ended uploads are kept for a while, so that late clients learn what happened. Media stay forever. */
  private async forget(): Promise<Batch> {
    const { rowCount } = await this.db.query(
      `DELETE FROM upload_session WHERE id IN (
         SELECT id FROM upload_session
         WHERE state <> 'open' AND cleaned_at IS NOT NULL AND greatest(expires_at, cleaned_at) < now() - interval '${TOMBSTONE}'
         ORDER BY greatest(expires_at, cleaned_at) LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)`,
    );
    const removed = rowCount ?? 0;
    return { found: removed, removed };
  }

  private async removeOrphans(): Promise<number> {
    let removed = 0;
    for await (const orphans of this.orphans.find()) {
      removed += await this.attempt(orphans, (orphan) => this.orphans.remove(orphan));
      if (this.stopping) break;
    }
    return removed;
  }

  /** A failure must not stop the rest; it is retried in the next round. Returns how many were removed. */
  private async attempt<T>(items: readonly T[], removal: (item: T) => Promise<void>): Promise<number> {
    let removed = 0;
    for (const item of items) {
      if (this.stopping) break;
      try {
        await removal(item);
        removed++;
      } catch (err) {
        this.logger.warn({ err }, 'Something could not be removed');
      }
    }
    return removed;
  }
}
