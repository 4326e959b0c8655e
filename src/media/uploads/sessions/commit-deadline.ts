import { Injectable } from '@nestjs/common';

/**
 * How long a part may wait for the statement that makes it count. Less than half of the smallest ORPHAN_AGE_SECONDS, so that
 * a process that was frozen cannot commit a part that the sweeper has removed.
 */
const MAX_WAIT_MS = 120_000;

/**
 * Gives each new part the time until which it may be committed, by the clock of Postgres. That is estimated from what Postgres
 * answered last and the time since, which a frozen machine may take for too short: then the part is refused, and nothing lost.
 */
@Injectable()
export class CommitDeadline {
  private answered = 0;
  private answeredAt = 0;

  /** @param now `now()` of a statement that was answered just now */
  observe(now: Date): void {
    this.answered = now.getTime();
    this.answeredAt = performance.now();
  }

  /** Call before the part is written. */
  next(): Date {
    return new Date(this.answered + (performance.now() - this.answeredAt) + MAX_WAIT_MS);
  }
}
