import { SignJWT } from 'jose';
import type { Config } from '../config/config.js';
import { StartError } from '../config/start-error.js';

const TTL_SECONDS = 86_400;

/** Signs a token like those of the platform, valid for a day. @throws StartError without a shared secret */
export async function signToken(
  { keys, issuer, audience }: Config['tokens'],
  userId: string,
): Promise<string> {
  if (keys.source !== 'secret')
    throw new StartError('JWKS_URL: only its issuer can sign tokens. Get one there.');
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
