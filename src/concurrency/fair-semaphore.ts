interface Waiting {
  readonly amount: number;
  readonly start: () => void;
}

/** Limits on what may run at a time. */
export interface Bounds {
  /** Tasks. */
  readonly slots: number;
  /** Tasks of one owner. */
  readonly slotsPerOwner?: number;
  /** Total of something that tasks use different amounts of, such as bytes of memory. */
  readonly amount?: number;
}

/**
 * Runs tasks of several owners within limits. Owners take turns: a task waits for at most one task of each other owner,
 * however many these have.
 */
export class FairSemaphore {
  private readonly queues = new Map<string, Waiting[]>();
  private readonly running = new Map<string, number>();
  private slots: number;
  private amount: number;
  private readonly slotsPerOwner: number;

  constructor({ slots, slotsPerOwner = slots, amount = 0 }: Bounds) {
    this.slots = slots;
    this.amount = amount;
    this.slotsPerOwner = slotsPerOwner;
  }

  /** Waiting tasks of an owner. */
  waiting(owner: string): number {
    return this.queues.get(owner)?.length ?? 0;
  }

  /** @param amount more than there is in all would wait for ever */
  async run<T>(owner: string, task: () => Promise<T>, amount = 0): Promise<T> {
    await new Promise<void>((start) => {
      const queue = this.queues.get(owner);
      if (queue) queue.push({ amount, start });
      else this.queues.set(owner, [{ amount, start }]);
      this.startNext();
    });
    try {
      return await task();
    } finally {
      this.count(owner, amount, -1);
      this.startNext();
    }
  }

  private startNext(): void {
    for (const [owner, queue] of this.queues) {
      const first = queue[0];
      // A task that does not fit yet blocks all others. Otherwise a stream of small tasks could starve it.
      if (!first || this.slots === 0 || first.amount > this.amount) return;
      if ((this.running.get(owner) ?? 0) >= this.slotsPerOwner) continue;
      this.count(owner, first.amount, 1);
      queue.shift();
      this.queues.delete(owner);
      if (queue.length > 0) this.queues.set(owner, queue);
      first.start();
    }
  }

  private count(owner: string, amount: number, tasks: 1 | -1): void {
    this.slots -= tasks;
    this.amount -= amount * tasks;
    const running = (this.running.get(owner) ?? 0) + tasks;
    if (running === 0) this.running.delete(owner);
    else this.running.set(owner, running);
  }
}
