interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Work that many can share: what comes while a batch is under way goes into the next one. Who is alone does not wait, and the
 * more there are the less each of them costs.
 */
export class Batches<Item, Result> {
  private waiting: Waiting<Item, Result>[] = [];
  private busy = false;

  /** @param work gives a result for each item, in their order; what it throws is thrown to all of its batch */
  constructor(private readonly work: (items: readonly Item[]) => Promise<readonly Result[]>) {}

  async add(item: Item): Promise<Result> {
    const result = new Promise<Result>((resolve, reject) => this.waiting.push({ item, resolve, reject }));
    if (!this.busy) void this.run();
    return await result;
  }

  private async run(): Promise<void> {
    this.busy = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting;
      this.waiting = [];
      try {
        const results = await this.work(batch.map(({ item }) => item));
        batch.forEach(({ resolve }, i) => resolve(results[i] as Result));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.busy = false;
  }
}
