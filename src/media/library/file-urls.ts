import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { ExpiredUrl, InvalidSignature } from './media.errors.js';

/** The absolute URL of a file or thumbnail, by its path. */
export type FileUrlOf = (path: string) => string;

/** The query of a signed URL, not verified yet. */
export interface SignedQuery {
  readonly expires?: unknown;
  readonly signature?: unknown;
}

/** URLs issued within a quarter of their lifetime are the same, so that caches can use them. */
const STEPS = 4;

/** Creates the URLs of files and, with `MEDIA_URLS=signed`, signs and verifies them. */
@Injectable()
export class FileUrls {
  constructor(private readonly config: Config) {}

  /** @param origin without a last slash */
  of(origin: string, path: string): string {
    const { signedUrls } = this.config;
    if (!signedUrls) return `${origin}${path}`;
    const { key, ttlSeconds } = signedUrls;
    const step = Math.max(1, Math.floor(ttlSeconds / STEPS));
    const expires = String(Math.ceil((Date.now() / 1000 + ttlSeconds) / step) * step);
    return `${origin}${path}?expires=${expires}&signature=${sign(key, path, expires)}`;
  }

  /**
   * How long a URL is still valid; undefined: forever. The response to an invalid one does not reveal whether there is
   * a file.
   * @throws InvalidSignature, ExpiredUrl
   */
  secondsLeft(path: string, { expires, signature }: SignedQuery): number | undefined {
    const { signedUrls } = this.config;
    if (!signedUrls) return undefined;
    if (typeof expires !== 'string' || typeof signature !== 'string') throw new InvalidSignature();
    if (!equal(signature, sign(signedUrls.key, path, expires))) throw new InvalidSignature();
    const left = Math.floor(Number(expires) - Date.now() / 1000);
    if (left < 0) throw new ExpiredUrl();
    return left;
  }
}

type Key = NonNullable<Config['signedUrls']>['key'];

function sign(key: Key, path: string, expires: string): string {
  return createHmac('sha256', key).update(`${path}\n${expires}`).digest('base64url');
}

function equal(given: string, right: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(right)];
  return one.length === other.length && timingSafeEqual(one, other);
}
