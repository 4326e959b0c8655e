import { Logger } from '@nestjs/common';
import {
  createRemoteJWKSet,
  errors,
  jwksCache,
  jwtVerify,
  type JWKSCacheInput,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose';

const MINUTE_MS = 60_000;

/** How often the keys are loaded, so that a withdrawn one is noticed. */
const REFRESH_MS = 10 * MINUTE_MS;
/** How long the last known keys count while the issuer is away. */
const LAST_KNOWN_MS = 4 * 60 * MINUTE_MS;
/** How often the issuer is asked for a key that is not known, or while it is away. */
const RETRY_MS = MINUTE_MS / 2;

/** Keys to try for a token that does not name its key. Issuers publish two or three. */
const MAX_KEYS = 10;

/** The keys that an issuer publishes. While it is away, the last known ones count for some hours. */
export class IssuerKeys {
  private readonly logger = new Logger('IssuerKeys');
  /** Filled by `jose` each time the keys are loaded. */
  private readonly loaded: JWKSCacheInput = {};
  private readonly keys: ReturnType<typeof createRemoteJWKSet>;
  private retryAt = 0;
  /** Why the keys could not be loaded the last time. */
  private failure: unknown;

  constructor(url: URL) {
    // `refresh` decides when to load: `jose` would do so for each token that names an unknown key while the issuer is away.
    const never = { cacheMaxAge: Infinity, cooldownDuration: Infinity };
    this.keys = createRemoteJWKSet(url, { ...never, [jwksCache]: this.loaded });
  }

  /** @throws JOSEError if the token is bad, any error if the keys are not available */
  async verify(token: string, options: JWTVerifyOptions): Promise<JWTPayload> {
    const find: JWTVerifyGetKey = async (...head) => {
      await this.refresh(REFRESH_MS);
      try {
        return await this.keys(...head);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        await this.refresh(RETRY_MS);
        // It may be one of those that cannot be loaded.
        if (this.failure !== undefined) throw this.failure;
        return await this.keys(...head);
      }
    };
    try {
      return (await jwtVerify(token, find, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      return await verifyWithAny(error, token, options);
    }
  }

  /** Loads the keys if they are older than that. @throws if they cannot be loaded and are too old to count */
  private async refresh(maxAgeMs: number): Promise<void> {
    const { uat: loadedAt = -Infinity } = this.loaded;
    const now = Date.now();
    const isUsable = now < loadedAt + LAST_KNOWN_MS;
    if (isUsable && now < Math.max(loadedAt + maxAgeMs, this.retryAt)) return;
    try {
      await this.keys.reload();
      this.failure = undefined;
    } catch (err) {
      this.failure = err;
      if (!isUsable) throw err;
      // Requests that waited for the same answer say nothing.
      if (Date.now() < this.retryAt) return;
      this.retryAt = Date.now() + RETRY_MS;
      this.logger.warn(
        { err },
        'The keys of the token issuer cannot be loaded. The last known ones still count',
      );
    }
  }
}

/** A token does not need a `kid`, and neither do keys (RFC 7515, 4.1.4; RFC 7517, 4.5): any of these may be the one. */
async function verifyWithAny(
  keys: errors.JWKSMultipleMatchingKeys,
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  let tried = 0;
  for await (const key of keys) {
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      // Anything else is a key that cannot be used, such as one that is too short.
      const isVerdict = error instanceof errors.JOSEError;
      if (isVerdict && !(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
    if (++tried === MAX_KEYS) break;
  }
  throw new errors.JWSSignatureVerificationFailed();
}
