import { FairSemaphore, type Bounds } from './fair-semaphore.js';
import { KeyedMutex } from './keyed-mutex.js';

interface Job<Result> {
  readonly owner: string;
  readonly result: Promise<Result>;
  readonly abandoned: AbortController;
  /** Requests that wait for the result. */
  clients: number;
}

/** Identifies a job. */
interface JobKey {
  readonly owner: string;
  /** Jobs about the same thing run one after another. */
  readonly subject: string;
  /** Requests with the same subject and question share one result. */
  readonly request: string;
}

interface JobBounds extends Bounds {
  /** Jobs that may be running or waiting. */
  readonly most: number;
  readonly mostPerOwner: number;
  /** The errors if there are more. */
  readonly refusal: () => Error;
  readonly refusalOfOwner: () => Error;
}

/**
 * Runs slow jobs fairly. A retry of a request whose job is still running shares its result. Owners take turns. A job
 * that nobody waits for any more is aborted.
 */
export class JoinedJobs<Result> {
  private readonly jobs = new Map<string, Job<Result>>();
  private readonly subjects = new KeyedMutex();
  private readonly turns: FairSemaphore;

  constructor(private readonly bounds: JobBounds) {
    this.turns = new FairSemaphore(bounds);
  }

  /**
   * Runs `work`, or joins the job that is already running it.
   * @param client aborted when this client has gone
   * @param work gets a signal that is aborted when all clients have gone
   * @throws `refusal()` or `refusalOfOwner()` if too many jobs are waiting
   */
  async run(
    key: JobKey,
    client: AbortSignal,
    work: (abandoned: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const name = JSON.stringify([key.subject, key.request]);
    const job = this.jobs.get(name) ?? this.begin(name, key, work);
    job.clients++;
    const leave = () => {
      if (--job.clients > 0) return;
      this.end(name, job);
      job.abandoned.abort(client.reason);
    };
    if (client.aborted) leave();
    else client.addEventListener('abort', leave, { once: true });
    try {
      return await job.result;
    } finally {
      client.removeEventListener('abort', leave);
      this.end(name, job);
    }
  }

  private begin(
    name: string,
    { owner, subject }: JobKey,
    work: (abandoned: AbortSignal) => Promise<Result>,
  ): Job<Result> {
    const { most, mostPerOwner, refusal, refusalOfOwner } = this.bounds;
    const own = [...this.jobs.values()].filter((job) => job.owner === owner).length;
    if (own >= mostPerOwner) throw refusalOfOwner();
    if (this.jobs.size >= most) throw refusal();
    const abandoned = new AbortController();
    const inTurn = async () => {
      abandoned.signal.throwIfAborted();
      return await work(abandoned.signal);
    };
    const result = this.subjects.run(subject, () => this.turns.run(owner, inTurn));
    const job = { owner, result, abandoned, clients: 0 };
    this.jobs.set(name, job);
    return job;
  }

  /** From now on, the same request starts a new job. */
  private end(name: string, job: Job<Result>): void {
    if (this.jobs.get(name) === job) this.jobs.delete(name);
  }
}
