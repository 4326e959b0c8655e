import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Caller } from '../../../audit/audit.js';
import { Config } from '../../../config/config.js';
import { networkOf } from '../../../http/addresses.js';
import { rateExceeded } from '../upload.errors.js';
import { ByteRateLimiter } from './byte-rate-limiter.js';

const HOUR_SECONDS = 3600;
/** A caller over the byte rate waits this long for its answer; if that is not enough, the next chunk is refused. */
const MAX_WAIT_MS = 2000;

/** A limiter by user and one by address, each if there is a limit. */
const limiters = <L>(perUser: number, perAddress: number, make: (limit: number) => L) =>
  [
    { limit: perUser, keyOf: ({ id }: Caller) => id },
    { limit: perAddress, keyOf: ({ address }: Caller) => networkOf(address) },
  ]
    .filter(({ limit }) => limit > 0)
    .map(({ limit, keyOf }) => ({ limiter: make(limit), keyOf }));

/**
 * Limits uploads per hour and bytes per second, by user and by address, as counted in this process. Chunks are not
 * counted and retries are free, so an upload that has begun can always be finished.
 */
@Injectable()
export class UploadRateLimiter {
  private readonly uploads;
  private readonly bytes;

  constructor({ rates }: Config) {
    const perHour = (points: number) => new RateLimiterMemory({ points, duration: HOUR_SECONDS });
    const perSecond = (bytes: number) => new ByteRateLimiter(bytes);
    this.uploads = limiters(rates.userUploadsPerHour, rates.addressUploadsPerHour, perHour);
    this.bytes = limiters(rates.userBytesPerSecond, rates.addressBytesPerSecond, perSecond);
  }

  /** Counts an upload that is about to be opened. @throws rateExceeded */
  async consumeUpload(caller: Caller): Promise<void> {
    for (const [index, { limiter, keyOf }] of this.uploads.entries())
      await limiter.consume(keyOf(caller)).catch(async (reason: unknown) => {
        if (!(reason instanceof RateLimiterRes)) throw reason;
        // A refused one counts for none of them.
        await this.refundUpload(caller, this.uploads.slice(0, index + 1));
        throw rateExceeded('uploads-per-hour', Math.ceil(reason.msBeforeNext / 1000));
      });
  }

  /** Undoes the count of an upload that was not opened after all. */
  async refundUpload(caller: Caller, counted = this.uploads): Promise<void> {
    for (const { limiter, keyOf } of counted) await limiter.reward(keyOf(caller));
  }

  /** Call before taking bytes. @throws rateExceeded if a delayed answer is not enough */
  assertByteRate(caller: Caller): void {
    const waitMs = this.waitMs(caller);
    if (waitMs > MAX_WAIT_MS) throw rateExceeded('bytes-per-second', Math.ceil(waitMs / 1000));
  }

  /** Call after storing bytes: delays the answer, and with it the next chunk. */
  async throttle(caller: Caller, bytes: number): Promise<void> {
    for (const { limiter, keyOf } of this.bytes) limiter.consume(keyOf(caller), bytes);
    const waitMs = this.waitMs(caller);
    if (waitMs > 0) await sleep(Math.min(waitMs, MAX_WAIT_MS));
  }

  private waitMs(caller: Caller): number {
    return Math.max(0, ...this.bytes.map(({ limiter, keyOf }) => limiter.waitMs(keyOf(caller))));
  }
}
