import { Injectable } from '@nestjs/common';
import { Database, type Queryable } from '../database/database.js';
import { Jobs } from '../jobs/jobs.js';
import type { RecordedEvent } from './event-body.js';

const HOUR = 3600;
/** Delays before the retries of a failed delivery, in seconds: three days in all. */
const RETRY_SECONDS = [5, 25, 125, 625, 3125, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR];
/** How long delivered events are kept. All others are kept until they are delivered. */
const KEPT = '7 days';
const BATCH = 1000;

/** The delivery of an event to a receiver. */
export interface Delivery extends RecordedEvent {
  /** Of the event, as text. */
  readonly position: string;
  readonly webhook: string;
  readonly attempts: number;
  /** When to try next; null: delivered or given up. */
  readonly due: Date | null;
  readonly delivered_at: Date | null;
  readonly failed_at: Date | null;
  /** Why the last attempt failed. */
  readonly error: string | null;
}

/** A delivery job covers the events of all uploads whose ids begin with this digit. */
export interface DeliveryJob {
  readonly partition: string;
}

/** Deliveries of a partition that have been rescheduled. */
interface Again {
  readonly webhook: string;
  readonly partition: string;
  readonly count: number;
  /** Position of the last event of the batch, as text. */
  readonly last: string;
}

const DELIVERIES = `
  SELECT position, id, type, event.upload_id, owner_id, created_at, subject, webhook, attempts, due, delivered_at,
    failed_at, error
  FROM delivery JOIN event ON position = event`;

/** The first pending delivery of each upload and receiver. Later ones wait for it. */
const DUE = `${DELIVERIES}
  WHERE webhook = $1 AND left(delivery.upload_id, 1) = $2 AND due <= now() AND NOT EXISTS (
    SELECT FROM delivery earlier WHERE earlier.webhook = $1 AND earlier.upload_id = delivery.upload_id
      AND earlier.due IS NOT NULL AND earlier.event < delivery.event)
  ORDER BY event LIMIT 50`;

/** Deliveries whose last attempt failed, whether or not they will be retried. */
const FAILED = `delivered_at IS NULL AND error IS NOT NULL AND webhook IN (SELECT id FROM webhook)`;

const AGAIN = `UPDATE delivery SET due = now(), attempts = 0, delivered_at = NULL, failed_at = NULL, error = NULL`;

/** Reschedules the failed deliveries of the next events. In batches, because statements have a time limit. */
const FAILED_AGAIN = `
  WITH batch AS (
    SELECT DISTINCT position FROM delivery JOIN event ON position = event
    WHERE ${FAILED} AND created_at >= $1 AND position > $2
    ORDER BY position LIMIT ${BATCH}
  ), again AS (
    ${AGAIN} FROM batch
    WHERE event = position AND ${FAILED}
    RETURNING webhook, left(upload_id, 1) AS partition
  )
  SELECT (SELECT max(position) FROM batch) AS last, webhook, partition, count(*)::integer AS count
  FROM again GROUP BY webhook, partition`;

/** A name for the jobs of a receiver. */
export const jobOf = (webhook: string): string => `webhook ${webhook}`;

/** The same as in the trigger. */
const queueOf = (webhook: string, partition: string): string => `${webhook} ${partition}`;

/**
 * Events and their deliveries. Triggers record them in the transaction of the change (migrations/), and add a job for
 * the partition of each.
 */
@Injectable()
export class Outbox {
  constructor(
    private readonly db: Database,
    private readonly jobs: Jobs,
  ) {}

  /** From now on events are recorded for these receivers. */
  async register(webhooks: readonly string[]): Promise<void> {
    await this.db.query(
      `WITH gone AS (DELETE FROM webhook WHERE id <> ALL ($1::text[]))
       INSERT INTO webhook SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`,
      [webhooks],
    );
  }

  /** Deliveries to a receiver that are due, none of them of the same upload. */
  async due(webhook: string, partition: string): Promise<Delivery[]> {
    return await this.rows(DUE, [webhook, partition]);
  }

  /** Removes the other jobs of a partition, since one job delivers everything that is due. */
  async takeOver(webhook: string, partition: string, job: string): Promise<void> {
    await this.jobs.takeOver(queueOf(webhook, partition), job);
  }

  /** Leaves the rest of a partition to another job. */
  async handOn(webhook: string, partition: string): Promise<void> {
    await this.addJob(this.db, webhook, partition);
  }

  async delivered({ position, webhook }: Delivery): Promise<void> {
    await this.db.query(
      `UPDATE delivery SET due = NULL, delivered_at = now(), attempts = attempts + 1, error = NULL
       WHERE event = $1 AND webhook = $2 AND due IS NOT NULL`,
      [position, webhook],
    );
  }

  /** Schedules a retry with a growing delay, or gives up. Returns whether it has given up. */
  async failed({ position, webhook, upload_id, attempts }: Delivery, error: string): Promise<boolean> {
    const seconds = RETRY_SECONDS[attempts] ?? null;
    await this.db.withTransaction(async (db) => {
      const { rows } = await db.query<{ due: Date | null }>(
        `UPDATE delivery SET attempts = attempts + 1, error = $3, due = now() + $4::integer * interval '1 second',
           failed_at = CASE WHEN $4::integer IS NULL THEN now() END
         WHERE event = $1 AND webhook = $2 AND due IS NOT NULL RETURNING due`,
        [position, webhook, error, seconds],
      );
      const due = rows[0]?.due;
      if (due) await this.addJob(db, webhook, upload_id.slice(0, 1), due);
    });
    return seconds === null;
  }

  /** Deliveries that have failed or are waiting, and recent ones, newest first. */
  async list(limit: number): Promise<Delivery[]> {
    return await this.rows(`${DELIVERIES} ORDER BY event DESC, webhook LIMIT $1`, [limit]);
  }

  /** Deliveries whose last attempt failed, of events since a time, newest first. */
  async listFailed(limit: number, since: Date): Promise<Delivery[]> {
    const failed = `${DELIVERIES} WHERE ${FAILED} AND created_at >= $2 ORDER BY event DESC, webhook LIMIT $1`;
    return await this.rows(failed, [limit, since]);
  }

  /** The deliveries of an event. */
  async show(id: string): Promise<Delivery[]> {
    return await this.rows(`${DELIVERIES} WHERE id = $1 ORDER BY webhook`, [id]);
  }

  /** Delivers an event again, as if it had never been tried. Returns the number of receivers. */
  async resend(id: string): Promise<number> {
    return await this.db.withTransaction(async (db) => {
      const { rows } = await db.query<{ webhook: string; upload_id: string }>(
        `${AGAIN} FROM event WHERE event.id = $1 AND position = delivery.event RETURNING webhook, event.upload_id`,
        [id],
      );
      for (const { webhook, upload_id } of rows) await this.addJob(db, webhook, upload_id.slice(0, 1));
      return rows.length;
    });
  }

  /**
   * Reschedules all deliveries to the receivers in WEBHOOK_URL whose last attempt failed, oldest events first. Returns
   * their number.
   */
  async resendFailed(since: Date): Promise<number> {
    let count = 0;
    for (let last: string | undefined = '0'; last !== undefined;) {
      const again = await this.resendBatch(since, last);
      for (const one of again) count += one.count;
      last = again[0]?.last;
    }
    return count;
  }

  private async resendBatch(since: Date, after: string): Promise<Again[]> {
    return await this.db.withTransaction(async (db) => {
      const { rows } = await db.query<Again>(FAILED_AGAIN, [since, after]);
      for (const { webhook, partition } of rows) await this.addJob(db, webhook, partition);
      return rows;
    });
  }

  /** Age of the oldest waiting event in seconds. */
  async oldestWaitingSeconds(): Promise<number> {
    const { rows } = await this.db.query<{ seconds: number }>(
      `SELECT coalesce(extract(epoch FROM now() - (
         SELECT created_at FROM delivery JOIN webhook ON webhook = webhook.id JOIN event ON position = event
         WHERE due IS NOT NULL ORDER BY event LIMIT 1)), 0)::float8 AS seconds`,
    );
    return rows[0]?.seconds ?? 0;
  }

  /** Removes events that were delivered to all receivers a while ago. Returns whether there may be more. */
  async forget(): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `DELETE FROM event WHERE position IN (
         SELECT position FROM event WHERE created_at < now() - interval '${KEPT}' AND NOT EXISTS (
           SELECT FROM delivery WHERE event = position AND delivered_at IS NULL)
         ORDER BY position LIMIT ${BATCH})`,
    );
    return rowCount === BATCH;
  }

  private async addJob(db: Queryable, webhook: string, partition: string, runAt?: Date): Promise<void> {
    const queue = queueOf(webhook, partition);
    await this.jobs.add(db, jobOf(webhook), { partition } satisfies DeliveryJob, {
      queue,
      ...(runAt && { runAt }),
    });
  }

  private async rows(text: string, values: unknown[]): Promise<Delivery[]> {
    return (await this.db.query<Delivery>(text, values)).rows;
  }
}
