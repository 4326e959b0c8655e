import { createHmac } from 'node:crypto';

/** What is signed. */
interface Message {
  readonly id: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: string;
}

/**
 * The signature headers of a message: those of SelfCommunity's webhooks, and those of Standard Webhooks.
 * @param secrets the current one, and perhaps the one before or after it while it is rotated
 */
export function signatureHeaders(message: Message, secrets: readonly string[]): Record<string, string> {
  const { id, timestamp, body } = message;
  const platform = secrets.map(
    (secret, i) => `v${1 - i}=${hmac(secret, `${timestamp}.${body}`).toString('hex')}`,
  );
  const standard = secrets.map(
    (secret) => `v1,${hmac(standardKey(secret), `${id}.${timestamp}.${body}`).toString('base64')}`,
  );
  return {
    'SelfCommunity-Signature': [`t=${timestamp}`, ...platform].join(','),
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': standard.join(' '),
  };
}

/** A secret in the format of Standard Webhooks is the key in base64. Any other secret is the key itself. */
function standardKey(secret: string): Buffer | string {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret;
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
