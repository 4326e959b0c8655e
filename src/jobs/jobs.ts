import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import {
  Logger as WorkerLogger,
  runTaskList,
  type Job,
  type TaskList,
  type WorkerEvents,
  type WorkerPool,
} from 'graphile-worker';
import type { PoolClient } from 'pg';
import { Periodic } from './periodic.js';
import { Database, type Queryable } from '../database/database.js';
import { jobSchema, poolOf } from '../database/job-schema.js';
import { LOCK_SPACE, releaseAbandoned } from './abandoned-jobs.js';

/** How often to look for retries, and for jobs of processes that have ended. New jobs are noticed at once. */
const POLL_MS = 5000;
/** How many jobs are taken over at a time. */
const MAX_TAKEN_OVER = 1000;
/** Workers that cannot record the end of their jobs may never stop. */
const MAX_STOPPING_MS = 5000;

export interface Attempt {
  readonly job: string;
  readonly isLast: boolean;
  /** Aborted when the process is to stop. */
  readonly signal: AbortSignal;
}

export type Task<Payload> = (payload: Payload, attempt: Attempt) => Promise<void>;

export interface JobOptions {
  /** Those with a lower number come first. */
  readonly priority?: number;
  readonly maxAttempts?: number;
  readonly runAt?: Date;
  /** Jobs in one queue run one after another. */
  readonly queue?: string;
}

interface Definition {
  readonly task: Task<never>;
  readonly atOnce: number;
  running: number;
}

/** Background jobs in graphile-worker, which any process may run (decisions/006). */
@Injectable()
export class Jobs implements OnModuleDestroy {
  private readonly logger = new Logger('Jobs');
  private readonly definitions = new Map<string, Definition>();
  private schema: string | undefined;
  private workers: WorkerPool | undefined;
  /** Whether the workers have reached the database. If their first query fails, they never recover. */
  private haveLooked = false;
  private readonly rescues = new Periodic((err) => this.logger.warn({ err }, 'Jobs could not be rescued'));

  constructor(private readonly db: Database) {}

  /** Defines how jobs of that name are run. @param atOnce how many this process runs at a time */
  define<Payload>(name: string, atOnce: number, task: Task<Payload>): void {
    this.definitions.set(name, { task: task as Task<never>, atOnce, running: 0 });
  }

  /** Adds a job. In a transaction, the job exists if and only if that commits. */
  async add(db: Queryable, name: string, payload: object, options: JobOptions = {}): Promise<void> {
    const { priority = 0, maxAttempts = 25, runAt = null, queue = null } = options;
    await db.query(
      `SELECT 1 FROM ${await this.quotedSchema()}.add_job($1::text, $2::json, $3::text, $4::timestamptz, $5::integer,
         priority => $6::integer, flags => ARRAY[$1::text])`,
      [name, payload, queue, runAt, maxAttempts, Math.min(priority, 32_767)],
    );
  }

  /** Removes the other due jobs of a queue, because the current one does their work too. */
  async takeOver(queue: string, job: string): Promise<void> {
    const schema = await this.quotedSchema();
    await this.db.query(
      `SELECT count(*) FROM ${schema}.complete_jobs(array(SELECT id FROM ${schema}.jobs
         WHERE queue_name = $1 AND id <> $2 AND run_at <= now() AND locked_at IS NULL LIMIT ${MAX_TAKEN_OVER}))`,
      [queue, job],
    );
  }

  async start(): Promise<void> {
    const schema = await this.schemaName();
    if (this.rescues.isStarted) return;
    this.rescues.start(POLL_MS, () => this.rescue());
    this.work(schema);
  }

  async onModuleDestroy(): Promise<void> {
    await this.rescues.stop();
    const workers = this.workers;
    this.workers = undefined;
    await stopped(workers);
  }

  private work(schema: string): void {
    const limits = [...this.definitions.values()];
    const options = {
      schema,
      logger: new WorkerLogger(
        () => (level, message) => void (level === 'error' && this.logger.warn(message)),
      ),
      noHandleSignals: true,
      concurrency: limits.reduce((sum, { atOnce }) => sum + atOnce, 0),
      pollInterval: POLL_MS,
      // Every job has its name as a flag, so that kinds of jobs that are at their limit are left to other processes.
      forbiddenFlags: () =>
        [...this.definitions].filter(([, { running, atOnce }]) => running >= atOnce).map(([name]) => name),
      // Without batches, failing to mark a job as done would be an unhandled rejection.
      preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0, gracefulShutdownAbortTimeout: 1 } },
      events: new EventEmitter() as WorkerEvents,
    };
    const tasks: TaskList = {};
    for (const [name, definition] of this.definitions)
      tasks[name] = (payload, { job, abortSignal }) => attempt(definition, payload, job, abortSignal);
    const workers = runTaskList(
      options,
      tasks,
      poolOf((listen) => (listen ? this.listen(listen as Listen) : this.db.borrow())),
    );
    this.workers = workers;
    this.haveLooked = false;
    const look = () => (this.haveLooked ||= this.workers === workers);
    options.events.on('worker:getJob:empty', look).on('job:start', look);
    // Workers stop when they cannot record the end of a job. After two such failures they never finish stopping, so nothing
    // waits for them (https://github.com/graphile/worker/issues/636).
    options.events.on('pool:gracefulShutdown', ({ message }) => {
      if (this.workers !== workers) return;
      this.logger.warn(`The job workers stop and will be replaced: ${message}`);
      this.workers = undefined;
    });
    workers.promise.catch((err: unknown) => this.logger.warn({ err }, 'The job workers have stopped'));
  }

  /** Listens for new jobs on a separate connection, whose advisory lock also shows that this process is alive. */
  private listen(done: Listen): void {
    const client = this.db.listener();
    client.on('error', () => undefined);
    const end = () => void client.end().catch(() => undefined);
    const lock = async () => {
      await client.connect();
      await client.query(`SELECT pg_advisory_lock_shared($1, hashtext($2))`, [LOCK_SPACE, this.workers?.id]);
      done(undefined, client as unknown as PoolClient, end);
    };
    lock().catch((error: Error) => {
      end();
      done(error);
    });
  }

  /**
   * Releases the jobs and queues of processes that have ended. If that succeeds, the database is there, so workers that have
   * lost it are replaced.
   */
  private async rescue(): Promise<void> {
    const schema = await this.schemaName();
    const freed = await releaseAbandoned(this.db, await this.quotedSchema(), POLL_MS);
    if (!this.haveLooked) await stopped(this.workers, 'They have never reached the database');
    if (!this.workers && this.rescues.isStarted) this.work(schema);
    if (freed > 0) this.workers?.nudge(freed);
  }

  private async quotedSchema(): Promise<string> {
    return `"${(await this.schemaName()).replaceAll('"', '""')}"`;
  }

  private async schemaName(): Promise<string> {
    if (this.schema === undefined) {
      const { rows } = await this.db.query<{ name: string }>(`SELECT current_schema() AS name`);
      this.schema = jobSchema(rows[0]?.name ?? 'public');
    }
    return this.schema;
  }
}

async function stopped(workers: WorkerPool | undefined, why?: string): Promise<void> {
  await Promise.race([workers?.gracefulShutdown(why), sleep(MAX_STOPPING_MS, undefined, { ref: false })]);
}

type Listen = (error: Error | undefined, client?: PoolClient, release?: () => void) => void;

async function attempt(
  definition: Definition,
  payload: unknown,
  { id, attempts, max_attempts }: Job,
  signal: AbortSignal,
): Promise<void> {
  definition.running++;
  try {
    await definition.task(payload as never, { job: id, isLast: attempts >= max_attempts, signal });
  } finally {
    definition.running--;
  }
}
