interface Waiting {
  readonly amount: number;
  readonly start: () => void;
}

/**
 * Runs up to `slots` tasks at a time that together take at most `amount` of something, such as bytes of memory. Owners
 * take turns: a task waits for one of each other owner at most, however many these have.
 */
export class FairSemaphore {
  private readonly queues = new Map<string, Waiting[]>();

  constructor(
    private slots: number,
    private amount: number,
  ) {}

  /** @param amount more than there is in all would wait for ever */
  async run<T>(owner: string, amount: number, task: () => Promise<T>): Promise<T> {
    await new Promise<void>((start) => {
      const queue = this.queues.get(owner);
      if (queue) queue.push({ amount, start });
      else this.queues.set(owner, [{ amount, start }]);
      this.startNext();
    });
    try {
      return await task();
    } finally {
      this.slots++;
      this.amount += amount;
      this.startNext();
    }
  }

  private startNext(): void {
    for (const [owner, queue] of this.queues) {
      const first = queue[0];
      // What does not fit yet holds up all others: a stream of small tasks could keep it waiting for ever.
      if (!first || this.slots === 0 || first.amount > this.amount) return;
      this.slots--;
      this.amount -= first.amount;
      queue.shift();
      this.queues.delete(owner);
      if (queue.length > 0) this.queues.set(owner, queue);
      first.start();
    }
  }
}
