import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Caller } from '../../audit/audit.js';
import { Config } from '../../config/config.js';
import { Pace } from './pace.js';
import { RateExceeded } from './upload.errors.js';

const HOUR_SECONDS = 3600;
/** A caller over the rate waits for its answer up to so long; the next chunk is refused when that is not enough. */
const PATIENCE_MS = 2000;

/**
 * How fast users and addresses may be: uploads opened in an hour, bytes stored in a second, as this process counts them.
 * Chunks are not counted, and repeated bytes cost nothing: an upload that was begun can always be finished.
 */
@Injectable()
export class Rates {
  private readonly opened: readonly Hourly[];
  private readonly paces: readonly { pace: Pace; keyOf: KeyOf }[];

  constructor({ rates }: Config) {
    this.opened = [
      new Hourly(rates.userUploadsPerHour, ofUser),
      new Hourly(rates.addressUploadsPerHour, ofAddress),
    ];
    this.paces = [
      { bytesPerSecond: rates.userBytesPerSecond, keyOf: ofUser },
      { bytesPerSecond: rates.addressBytesPerSecond, keyOf: ofAddress },
    ]
      .filter(({ bytesPerSecond }) => bytesPerSecond > 0)
      .map(({ bytesPerSecond, keyOf }) => ({ pace: new Pace(bytesPerSecond), keyOf }));
  }

  /** Counts an upload that is about to be opened. @throws RateExceeded */
  async open(caller: Caller): Promise<void> {
    for (const hourly of this.opened) await hourly.count(caller);
  }

  /** Nothing came of it. */
  async forgive(caller: Caller): Promise<void> {
    for (const hourly of this.opened) await hourly.forgive(caller);
  }

  /** Before bytes are taken. @throws RateExceeded for a caller that is so far ahead that waiting for an answer is not enough */
  admit(caller: Caller): void {
    const debt = this.debt(caller);
    if (debt > PATIENCE_MS) throw new RateExceeded('bytes-per-second', Math.ceil(debt / 1000));
  }

  /** After bytes were stored: holds up the answer, and with it the next chunk. */
  async slowDown(caller: Caller, bytes: number): Promise<void> {
    if (this.paces.length === 0) return;
    for (const { pace, keyOf } of this.paces) pace.charge(keyOf(caller), bytes);
    const debt = this.debt(caller);
    if (debt > 0) await sleep(Math.min(debt, PATIENCE_MS));
  }

  private debt(caller: Caller): number {
    let most = 0;
    for (const { pace, keyOf } of this.paces) most = Math.max(most, pace.debt(keyOf(caller)));
    return most;
  }
}

type KeyOf = (caller: Caller) => string;
const ofUser: KeyOf = ({ id }) => id;
const ofAddress: KeyOf = ({ address }) => address ?? '';

/** What each key may do in an hour. */
class Hourly {
  private readonly limiter: RateLimiterMemory | undefined;

  constructor(
    most: number,
    private readonly keyOf: KeyOf,
  ) {
    this.limiter = most > 0 ? new RateLimiterMemory({ points: most, duration: HOUR_SECONDS }) : undefined;
  }

  async count(caller: Caller): Promise<void> {
    try {
      await this.limiter?.consume(this.keyOf(caller));
    } catch (exceeded) {
      if (!(exceeded instanceof RateLimiterRes)) throw exceeded;
      throw new RateExceeded('uploads-per-hour', Math.ceil(exceeded.msBeforeNext / 1000));
    }
  }

  async forgive(caller: Caller): Promise<void> {
    await this.limiter?.reward(this.keyOf(caller));
  }
}
