/** Limits how many tasks of one owner run at a time. */
export class Shares {
  private readonly running = new Map<string, number>();

  /** @param refusal what is thrown beyond `most` */
  constructor(
    private readonly most: number,
    private readonly refusal: () => Error,
  ) {}

  async run<T>(owner: string, task: () => Promise<T>): Promise<T> {
    const others = this.running.get(owner) ?? 0;
    if (others >= this.most) throw this.refusal();
    this.running.set(owner, others + 1);
    try {
      return await task();
    } finally {
      const left = (this.running.get(owner) ?? 0) - 1;
      if (left > 0) this.running.set(owner, left);
      else this.running.delete(owner);
    }
  }
}
