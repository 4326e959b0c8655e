import { SignJWT } from 'jose';
import type { Config } from '../config/config.js';

const TTL_SECONDS = 86_400;

/** A token like the platform's, good for a day. Null when tokens are verified by published keys: only the issuer can sign. */
export async function signToken(
  { keys, issuer, audience }: Config['tokens'],
  userId: string,
): Promise<string | null> {
  if (keys.source !== 'secret') return null;
  const claim = /^\d{1,15}$/.test(userId) ? { user_id: Number(userId) } : {};
  const token = new SignJWT({ ...claim, token_type: 'access' });
  if (issuer) token.setIssuer(issuer);
  if (audience) token.setAudience(audience);
  return await token
    .setProtectedHeader({ alg: keys.algorithms[0] ?? 'HS256' })
    .setSubject(userId)
    .setJti(crypto.randomUUID())
    .setIssuedAt()
    .setExpirationTime(`${TTL_SECONDS}s`)
    .sign(keys.key);
}
