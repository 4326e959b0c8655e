import { Logger } from '@nestjs/common';
import { FairSemaphore } from '../../concurrency/fair-semaphore.js';

const AT_ONCE = 2;

/**
 * Removes objects that no row names any more, while nobody waits. What fails, or is cut short, is left to the sweeper, as
 * after a crash.
 */
export class Discards {
  private readonly logger = new Logger('Storage');
  private readonly turns = new FairSemaphore({ slots: AT_ONCE });
  private readonly underWay = new Set<Promise<void>>();
  private isStopping = false;

  add(remove: () => Promise<void>): void {
    const removal: Promise<void> = this.turns
      .run('', async () => {
        if (!this.isStopping) await remove();
      })
      .catch((err: unknown) => this.logger.warn({ err }, 'Objects are left to the sweeper'))
      .finally(() => this.underWay.delete(removal));
    this.underWay.add(removal);
  }

  /** Resolves when what is being removed is gone; nothing else is begun. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.underWay);
  }
}
