import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Config } from '../config/config.js';
import type { User } from './claims.js';

interface Entry {
  readonly user: User;
  readonly bestBefore: number;
}

/**
 * Caches verified tokens, because all chunks of an upload have the same one. Valid tokens only, never past their `exp`,
 * and for at most TOKEN_CACHE_SECONDS, so that a withdrawn key is noticed.
 */
@Injectable()
export class VerifiedTokens {
  /** A megabyte, with tokens of about 500 characters. */
  private readonly entries = new LRUCache<string, Entry>({ max: 1000 });
  private readonly seconds: number;

  constructor({ tokens }: Config) {
    this.seconds = tokens.cacheSeconds;
  }

  /** @param authorization the whole header; extra blanks and the case of `Bearer` don't matter */
  find(authorization: string | undefined): User | undefined {
    const token = tokenOf(authorization);
    const entry = token === undefined ? undefined : this.entries.get(token);
    return entry && Date.now() < entry.bestBefore ? entry.user : undefined;
  }

  keep(authorization: string | undefined, user: User): void {
    const token = tokenOf(authorization);
    if (token === undefined || this.seconds === 0) return;
    const bestBefore = Math.min(user.until * 1000, Date.now() + this.seconds * 1000);
    this.entries.set(token, { user, bestBefore });
  }
}

function tokenOf(authorization = ''): string | undefined {
  return /^bearer +(\S+)$/i.exec(authorization)?.[1];
}
