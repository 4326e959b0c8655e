import { decodeProtectedHeader, type JWTPayload } from 'jose';

/** How far the clocks of issuer and server may be apart. */
export const CLOCK_TOLERANCE_SECONDS = 5;

/** The user of a request. `id` is the owner of uploads and media. */
export interface User {
  readonly id: string;
  /** When the token ends, in seconds since 1970, possibly with a fraction. */
  readonly until: number;
}

/**
 * The user of a verified token: `user_id` (an integer on the platform) or `sub`. Null if the token has no user, is not
 * an access token, or has an invalid `exp`.
 */
export function userOf(claims: JWTPayload): User | null {
  const { exp: until } = claims;
  if (typeof until !== 'number' || !Number.isSafeInteger(Math.trunc(until))) return null;
  if ('token_type' in claims && claims['token_type'] !== 'access') return null;
  const id = claims['user_id'] ?? claims.sub;
  if (typeof id === 'number' && Number.isSafeInteger(id)) return { id: String(id), until };
  return typeof id === 'string' && isName(id) ? { id, until } : null;
}

/**
 * Whether the header of a token has neither an extension that must be understood (RFC 7515, 4.1.11) nor a type other
 * than that of access tokens (RFC 9068, 2.1).
 */
export function isPlain(token: string): boolean {
  try {
    const { crit, typ = 'JWT' } = decodeProtectedHeader(token);
    return crit === undefined && /^(application\/)?(at\+)?jwt$/i.test(typ);
  } catch {
    return false;
  }
}

/** 1 to 255 characters, without control characters and lone surrogates, which Postgres does not accept. */
function isName(id: string): boolean {
  return /^[^\p{Cc}\p{Cs}]{1,255}$/u.test(id);
}
