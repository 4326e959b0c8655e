import { UploadError, type Action } from './upload-error.js';

/** A response with its complete body. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const ACTIONS: readonly unknown[] = [
  'resend-chunk',
  'resume-from-offset',
  'restart',
  'wait',
  'refresh-token',
  'fix-request',
  'give-up',
] satisfies Action[];

/** Statuses of proxies that are final. Any other response that is not from the server itself may be temporary. */
const FINAL: readonly number[] = [400, 402, 403, 405, 406, 407, 411, 413, 414, 415, 417, 431, 451];

/** The error of a response without a 2xx status: a problem document of the server, or the response of a proxy. */
export function toError({ status, headers, text }: Answer): UploadError {
  const problem = parse(text);
  const { action, code, detail } = problem ?? {};
  return new UploadError(
    typeof code === 'string' ? code : `http-${status}`,
    typeof detail === 'string' ? detail : `Something in front of the server answered ${status}`,
    {
      action: isAction(action) ? action : actionOf(status, action !== undefined),
      status,
      retryAfterMs: retryAfterMs(headers),
      ...(problem && { problem }),
    },
  );
}

/** @returns the object of a JSON text, or undefined if it is anything else */
export function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isAction(value: unknown): value is Action {
  return ACTIONS.includes(value);
}

/** @param isOurs whether the response is from the server itself, with an action that this client does not know */
function actionOf(status: number, isOurs: boolean): Action {
  if (status === 401) return 'refresh-token';
  const passes = isOurs ? status >= 500 || status === 408 || status === 429 : !FINAL.includes(status);
  return passes ? 'wait' : 'give-up';
}

/**
 * Seconds or a date (RFC 9110, 10.2.3). A date is relative to the `Date` of the response, as the local clock may be
 * wrong.
 */
function retryAfterMs(headers: Headers): number {
  const value = headers.get('retry-after');
  if (value === null) return 0;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const now = Date.parse(headers.get('date') ?? '') || Date.now();
  return Math.max(0, Date.parse(value) - now || 0);
}
