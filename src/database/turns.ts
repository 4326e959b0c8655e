import { Injectable } from '@nestjs/common';
import { FairSemaphore } from '../concurrency/fair-semaphore.js';
import { Config } from '../config/config.js';
import { TooManyRequests } from '../errors/too-many-requests.js';

const MAX_WAITING = 100;

/**
 * Runs queries that take longer the more a user has, such as lists. They share half of the connections, and each user
 * gets at most one. Others wait in turn.
 */
@Injectable()
export class Turns {
  private readonly semaphore: FairSemaphore;

  constructor({ database }: Config) {
    this.semaphore = new FairSemaphore({
      slots: Math.floor(database.poolSize / 2),
      slotsPerOwner: 1,
    });
  }

  /** @throws TooManyRequests */
  async run<T>(userId: string, query: () => Promise<T>): Promise<T> {
    if (this.semaphore.waiting(userId) >= MAX_WAITING) throw new TooManyRequests();
    return await this.semaphore.run(userId, query);
  }
}
