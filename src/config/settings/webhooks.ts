import { createHash } from 'node:crypto';
import { ConfigError } from '../config-error.js';
import type { Environment } from '../environment.js';

/** A URL that events are sent to. */
export interface Receiver {
  /** 16 hex digits. */
  readonly id: string;
  readonly url: URL;
}

/** Receivers of events about uploads and media. */
export interface WebhookSettings {
  readonly receivers: readonly Receiver[];
  /** The current secret, which signs first, and another one during a rotation. */
  readonly secrets: readonly string[];
  /** Whether receivers may be in private networks. */
  readonly allowPrivate: boolean;
}

/** Checks before a file becomes a media item. */
export interface AdmissionSettings {
  readonly url: URL | undefined;
  /** Whether a file is accepted if that URL does not answer. */
  readonly isOpen: boolean;
  readonly clamd: { readonly path: string } | { readonly host: string; readonly port: number } | undefined;
}

/** @throws ConfigError */
export function webhookSettings(env: Environment): WebhookSettings {
  const { WEBHOOK_URL: urls = [], WEBHOOK_SECRET: secrets = [] } = env;
  if ((urls.length > 0 || env.WEBHOOK_BEFORE_COMPLETE) && secrets.length === 0)
    throw new ConfigError([
      'WEBHOOK_SECRET: must be set with WEBHOOK_URL and WEBHOOK_BEFORE_COMPLETE, so that receivers can verify who sends',
    ]);
  const receivers = [...new Set(urls)].map((url) => ({ id: receiverId(url), url: new URL(url) }));
  return { receivers, secrets, allowPrivate: env.WEBHOOK_ALLOW_PRIVATE === 'true' };
}

/** @throws ConfigError */
export function admissionSettings(env: Environment): AdmissionSettings {
  const { WEBHOOK_BEFORE_COMPLETE: url, CLAMD: clamd = '' } = env;
  const [, host = '', port] = /^\[?([^/]+?)\]?:(\d+)$/.exec(clamd) ?? [];
  if (port && (Number(port) < 1 || Number(port) > 65_535))
    throw new ConfigError(['CLAMD: the port must be 1 to 65535']);
  return {
    url: url ? new URL(url) : undefined,
    isOpen: env.WEBHOOK_BEFORE_COMPLETE_FAILURE === 'open',
    clamd: clamd === '' ? undefined : port ? { host, port: Number(port) } : { path: clamd },
  };
}

/** Distinguishes receivers in the database without storing URLs, which may contain secrets. */
function receiverId(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 16);
}
