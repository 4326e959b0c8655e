/** Runs work at intervals. Skips a run while another one is running. */
export class Periodic {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  /** @param onError what to do about a failed run; the next one comes as usual */
  constructor(private readonly onError: (error: unknown) => void) {}

  get isStarted(): boolean {
    return this.timer !== undefined;
  }

  /** The first run begins after `ms`. */
  start(ms: number, work: () => Promise<void>): void {
    this.timer ??= setInterval(() => this.run(work), ms).unref();
  }

  run(work: () => Promise<void>): void {
    this.running ??= work()
      .catch(this.onError)
      .finally(() => (this.running = undefined));
  }

  /** Resolves when nothing is running any more. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    await this.running;
  }
}
