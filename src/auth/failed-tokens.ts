import { Injectable } from '@nestjs/common';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { Config } from '../config/config.js';
import { networkOf } from '../http/addresses.js';
import { TooManyFailures } from './auth.errors.js';

/** Limits guessing of tokens. Good tokens are not counted, so users who share an address do not block each other. */
@Injectable()
export class FailedTokens {
  private readonly limiter: RateLimiterMemory | undefined;

  constructor({ tokens }: Config) {
    const points = tokens.failuresPerMinute;
    this.limiter = points > 0 ? new RateLimiterMemory({ points, duration: 60 }) : undefined;
  }

  /** Counts a bad token. @throws TooManyFailures after too many within a minute */
  async count(address: string | undefined): Promise<void> {
    try {
      await this.limiter?.consume(networkOf(address));
    } catch (exceeded) {
      if (!(exceeded instanceof RateLimiterRes)) throw exceeded;
      throw new TooManyFailures(Math.ceil(exceeded.msBeforeNext / 1000));
    }
  }
}
