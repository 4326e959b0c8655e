import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { ExpiredUrl, InvalidSignature } from './media.errors.js';

/** The absolute URL of a file or thumbnail, by its path. */
export type FileUrlOf = (path: string) => string;

/** What a signed URL has after its path, as far as anybody knows. */
export interface SignedQuery {
  readonly expires?: unknown;
  readonly signature?: unknown;
}

/** URLs given out within a quarter of their time are the same, so that caches know them again. */
const STEPS = 4;

/** Makes the URLs of files and, with `MEDIA_URLS=signed`, knows those that were made here. */
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
   * How long a URL is still good; undefined: for ever. The answer to a wrong one does not tell whether there is a file.
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
