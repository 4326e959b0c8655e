import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { ConfigError } from '../config-error.js';
import type { Environment } from '../environment.js';
import { loadJwtSecret } from '../jwt-secret.js';

/** How bearer tokens are verified: by a shared secret, or by the keys an issuer publishes. */
export type TokenKeys =
  | { readonly source: 'secret'; readonly key: KeyObject; readonly algorithms: readonly string[] }
  | { readonly source: 'jwks'; readonly url: URL; readonly algorithms: readonly string[] };

export interface TokenSettings {
  readonly keys: TokenKeys;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** How long a valid token is not verified again; 0: verify it every time. */
  readonly cacheSeconds: number;
  /** Bad tokens per address before it has to wait; 0: no limit. */
  readonly failuresPerMinute: number;
}

export interface SignedUrlSettings {
  readonly key: KeyObject;
  readonly ttlSeconds: number;
}

/** @throws ConfigError */
export function tokenSettings(env: Environment, dataDir: string): TokenSettings {
  return {
    keys: tokenKeys(env, dataDir),
    issuer: env.JWT_ISSUER,
    audience: env.JWT_AUDIENCE,
    cacheSeconds: env.TOKEN_CACHE_SECONDS,
    failuresPerMinute: env.FAILED_TOKENS_PER_MINUTE,
  };
}

/** @throws ConfigError */
export function signedUrlSettings(env: Environment, { keys }: TokenSettings): SignedUrlSettings | undefined {
  if (env.MEDIA_URLS !== 'signed') return undefined;
  return { key: urlKey(env, keys), ttlSeconds: env.MEDIA_URL_TTL_SECONDS };
}

const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'];
const PUBLISHED_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];

function tokenKeys(env: Environment, dataDir: string): TokenKeys {
  if (env.JWKS_URL && env.JWT_SECRET) {
    throw new ConfigError(['JWT_SECRET: cannot be set together with JWKS_URL, choose one']);
  }
  if (env.JWKS_URL) {
    if (!env.JWT_ISSUER || !env.JWT_AUDIENCE) {
      throw new ConfigError([
        'JWT_ISSUER, JWT_AUDIENCE: must be set with JWKS_URL, because its keys may also sign tokens for other apps',
      ]);
    }
    const algorithms = pinned(env, PUBLISHED_ALGORITHMS, ['RS256', 'ES256', 'EdDSA']);
    return { source: 'jwks', url: new URL(env.JWKS_URL), algorithms };
  }
  const algorithms = pinned(env, SECRET_ALGORITHMS, ['HS256']);
  const secret = env.JWT_SECRET ?? loadJwtSecret(dataDir);
  return { source: 'secret', key: createSecretKey(Buffer.from(secret)), algorithms };
}

function pinned(
  env: Environment,
  allowed: readonly string[],
  standard: readonly string[],
): readonly string[] {
  const algorithms = env.JWT_ALGORITHMS ?? standard;
  const wrong = algorithms.filter((algorithm) => !allowed.includes(algorithm));
  if (wrong.length === 0) return algorithms;
  throw new ConfigError([`JWT_ALGORITHMS: ${wrong.join(', ')} is not one of ${allowed.join(', ')}`]);
}

/** A derived key, so that signatures of URLs reveal nothing about signatures of tokens (RFC 5869). */
function urlKey(env: Environment, keys: TokenKeys): KeyObject {
  if (!env.MEDIA_URL_SECRET && keys.source === 'jwks') {
    throw new ConfigError(['MEDIA_URL_SECRET: must be set with MEDIA_URLS=signed and JWKS_URL']);
  }
  const secret = env.MEDIA_URL_SECRET ?? (keys.source === 'secret' ? keys.key : '');
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', 'mediadock file urls', 32)));
}
