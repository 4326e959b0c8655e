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

/** The error of an answer that is none of 2xx: the server's problem document, or what a proxy before it made up. */
export function toError({ status, headers, text }: Answer): UploadError {
  const problem = parse(text);
  const action = ACTIONS.includes(problem?.['action']) ? (problem?.['action'] as Action) : actionOf(status);
  const code = typeof problem?.['code'] === 'string' ? problem['code'] : `http-${status}`;
  const detail =
    typeof problem?.['detail'] === 'string' ? problem['detail'] : `The server answered ${status}`;
  return new UploadError(code, detail, {
    action,
    status,
    retryAfterMs: retryAfterMs(headers.get('retry-after')),
    ...(problem && { problem }),
  });
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

function actionOf(status: number): Action {
  if (status === 401) return 'refresh-token';
  return status >= 500 || status === 408 || status === 429 ? 'wait' : 'give-up';
}

/** Seconds or a date (RFC 9110, 10.2.3). */
function retryAfterMs(value: string | null): number {
  if (value === null) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Math.max(0, ms || 0);
}
