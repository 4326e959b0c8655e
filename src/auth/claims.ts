import { decodeProtectedHeader, type JWTPayload } from 'jose';

/** How far the clocks of issuer and server may be apart. */
export const CLOCK_TOLERANCE_SECONDS = 5;

/** Who is asking. `id` owns sessions and media. */
export interface User {
  readonly id: string;
  /** When the token ends, in seconds since 1970. */
  readonly until: number;
}

/**
 * The user of a verified token: `user_id` (an integer, as the platform writes it) or `sub`. Null for a token that
 * names nobody, is not an access token, or whose `exp` is no date.
 */
export function userOf(claims: JWTPayload): User | null {
  const { exp: until } = claims;
  if (until === undefined || !Number.isSafeInteger(until)) return null;
  if ('token_type' in claims && claims['token_type'] !== 'access') return null;
  const id = claims['user_id'] ?? claims.sub;
  if (typeof id === 'number' && Number.isSafeInteger(id)) return { id: String(id), until };
  return typeof id === 'string' && isName(id) ? { id, until } : null;
}

/**
 * Whether the header of a token asks for nothing but what every verifier does: an extension that must be understood
 * (RFC 7515, 4.1.11) is not, and what is not of the type of access tokens (RFC 9068, 2.1) is for something else.
 */
export function isPlain(token: string): boolean {
  try {
    const { crit, typ = 'JWT' } = decodeProtectedHeader(token);
    return crit === undefined && /^(application\/)?(at\+)?jwt$/i.test(typ);
  } catch {
    return false;
  }
}

/** 1 … 255 characters, none of them a control character or half a character (Postgres takes neither). */
function isName(id: string): boolean {
  return /^[^\p{Cc}\p{Cs}]{1,255}$/u.test(id);
}
