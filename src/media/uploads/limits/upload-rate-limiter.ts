import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Caller } from '../../../audit/audit.js';
import { Config } from '../../../config/config.js';
import { RateExceeded } from '../upload.errors.js';
import { ByteRateLimiter } from './byte-rate-limiter.js';

const HOUR_SECONDS = 3600;
/** A caller over the byte rate waits this long for its answer; if that is not enough, the next chunk is refused. */
const MAX_WAIT_MS = 2000;

/**
 * Limits uploads per hour and bytes per second, by user and by address, as counted in this process. Chunks are not counted and
 * retries are free, so an upload that has begun can always be finished.
 */
@Injectable()
export class UploadRateLimiter {
  private readonly uploads: readonly UploadsPerHour[];
  private readonly bytes: readonly { limiter: ByteRateLimiter; keyOf: KeyOf }[];

  constructor({ rates }: Config) {
    this.uploads = [
      new UploadsPerHour(rates.userUploadsPerHour, byUser),
      new UploadsPerHour(rates.addressUploadsPerHour, byAddress),
    ];
    this.bytes = [
      { bytesPerSecond: rates.userBytesPerSecond, keyOf: byUser },
      { bytesPerSecond: rates.addressBytesPerSecond, keyOf: byAddress },
    ]
      .filter(({ bytesPerSecond }) => bytesPerSecond > 0)
      .map(({ bytesPerSecond, keyOf }) => ({ limiter: new ByteRateLimiter(bytesPerSecond), keyOf }));
  }

  /** Counts an upload that is about to be opened. @throws RateExceeded */
  async consumeUpload(caller: Caller): Promise<void> {
    for (const limit of this.uploads) await limit.consume(caller);
  }

  /** Takes back an upload that was not opened after all. */
  async refundUpload(caller: Caller): Promise<void> {
    for (const limit of this.uploads) await limit.refund(caller);
  }

  /** Call before taking bytes. @throws RateExceeded if the caller is so far ahead that a delayed answer is not enough */
  assertByteRate(caller: Caller): void {
    const waitMs = this.waitMs(caller);
    if (waitMs > MAX_WAIT_MS) throw new RateExceeded('bytes-per-second', Math.ceil(waitMs / 1000));
  }

  /** Call after storing bytes: delays the answer, and with it the next chunk. */
  async throttle(caller: Caller, bytes: number): Promise<void> {
    if (this.bytes.length === 0) return;
    for (const { limiter, keyOf } of this.bytes) limiter.consume(keyOf(caller), bytes);
    const waitMs = this.waitMs(caller);
    if (waitMs > 0) await sleep(Math.min(waitMs, MAX_WAIT_MS));
  }

  private waitMs(caller: Caller): number {
    return Math.max(0, ...this.bytes.map(({ limiter, keyOf }) => limiter.waitMs(keyOf(caller))));
  }
}

type KeyOf = (caller: Caller) => string;
const byUser: KeyOf = ({ id }) => id;
const byAddress: KeyOf = ({ address }) => address ?? '';

class UploadsPerHour {
  private readonly limiter: RateLimiterMemory | undefined;

  /** @param max 0: no limit */
  constructor(
    max: number,
    private readonly keyOf: KeyOf,
  ) {
    this.limiter = max > 0 ? new RateLimiterMemory({ points: max, duration: HOUR_SECONDS }) : undefined;
  }

  async consume(caller: Caller): Promise<void> {
    try {
      await this.limiter?.consume(this.keyOf(caller));
    } catch (exceeded) {
      if (!(exceeded instanceof RateLimiterRes)) throw exceeded;
      throw new RateExceeded('uploads-per-hour', Math.ceil(exceeded.msBeforeNext / 1000));
    }
  }

  async refund(caller: Caller): Promise<void> {
    await this.limiter?.reward(this.keyOf(caller));
  }
}
