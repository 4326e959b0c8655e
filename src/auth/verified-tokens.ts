import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import type { User } from './claims.js';

/** Of tokens with about 500 characters, a megabyte. */
const MOST = 1000;

interface Entry {
  readonly user: User;
  readonly bestBefore: number;
}

/**
 * Tokens that were found good a short while ago, since a chunk brings the same one as the chunk before. Only good ones
 * are here, never past their `exp`, and for no longer than TOKEN_CACHE_SECONDS, so that a withdrawn key is noticed.
 */
@Injectable()
export class VerifiedTokens {
  private readonly entries = new Map<string, Entry>();
  private readonly seconds: number;

  constructor({ tokens }: Config) {
    this.seconds = tokens.cacheSeconds;
  }

  /** @param authorization the whole header, which has to be the same to the letter */
  find(authorization: string | undefined): User | undefined {
    const entry = authorization && this.entries.get(authorization);
    if (!entry) return undefined;
    if (Date.now() < entry.bestBefore) return entry.user;
    this.entries.delete(authorization);
    return undefined;
  }

  keep(authorization: string | undefined, user: User): void {
    if (authorization === undefined || this.seconds === 0) return;
    const bestBefore = Math.min(user.until * 1000, Date.now() + this.seconds * 1000);
    this.entries.set(authorization, { user, bestBefore });
    const [oldest] = this.entries.keys();
    if (this.entries.size > MOST && oldest !== undefined) this.entries.delete(oldest);
  }
}
