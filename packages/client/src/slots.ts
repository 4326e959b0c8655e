/** Runs a limited number of tasks at once. Others wait in order of arrival. */
export class Slots {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.take(signal);
    try {
      return await work();
    } finally {
      this.free += 1;
      this.waiting[0]?.();
    }
  }

  private async take(signal: AbortSignal): Promise<void> {
    const { waiting } = this;
    await new Promise<void>((resolve, reject) => {
      const leave = () => void waiting.splice(waiting.indexOf(enter), 1);
      const abort = () => {
        leave();
        reject(signal.reason as Error);
      };
      const enter = () => {
        leave();
        signal.removeEventListener('abort', abort);
        this.free -= 1;
        resolve();
      };
      waiting.push(enter);
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      else if (this.free > 0) enter();
    });
  }
}
