import { UploadError, type Action } from './upload-error.js';

/** An answer, read to its end. */
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

/** What something in front of the server refuses for good; anything else that is not the server's own answer may pass. */
const FINAL: readonly number[] = [400, 402, 403, 405, 406, 407, 411, 413, 414, 415, 417, 431, 451];

/** The error of an answer that is none of 2xx: the server's problem document, or what a proxy in front of it made up. */
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

/** @returns the object that a JSON text says, undefined for anything else */
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

/** @param isOurs it is the server's answer, with an action that this client has never heard of */
function actionOf(status: number, isOurs: boolean): Action {
  if (status === 401) return 'refresh-token';
  const passes = isOurs ? status >= 500 || status === 408 || status === 429 : !FINAL.includes(status);
  return passes ? 'wait' : 'give-up';
}

/** Seconds or a date (RFC 9110, 10.2.3), which counts from the `Date` of the answer: the clock here may be wrong. */
function retryAfterMs(headers: Headers): number {
  const value = headers.get('retry-after');
  if (value === null) return 0;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const now = Date.parse(headers.get('date') ?? '') || Date.now();
  return Math.max(0, Date.parse(value) - now || 0);
}
