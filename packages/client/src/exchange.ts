import { onOnline } from './network.js';
import { onAbort } from './on-abort.js';
import type { Answer } from './problem.js';
import { AnswerLost, LocalError } from './upload-error.js';

const DEFAULT_TIMEOUT_SECONDS = 60;

interface OutgoingRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body?: RequestInit['body'] | undefined;
}

export interface ExchangeOptions {
  readonly timeoutSeconds?: number;
  readonly fetch?: typeof fetch;
  /** A hint for people if the server cannot be reached. */
  readonly hint?: string | undefined;
}

/** Sends a request and reads the whole response. */
export async function exchange(
  { url, method, headers, body }: OutgoingRequest,
  { fetch = globalThis.fetch, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS, hint }: ExchangeOptions,
  signal: AbortSignal,
): Promise<Answer> {
  const init = { method, headers: headersOf(headers), ...(body !== undefined && { body }) };
  const limit = new Limit(timeoutSeconds, signal);
  try {
    const response = await fetch(url, { ...init, signal: limit.signal, cache: 'no-store' });
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch (error) {
    if (signal.aborted) throw new LocalError('aborted', 'The upload was stopped', error);
    if (limit.isTimeout) throw new AnswerLost('timeout', `No answer within ${timeoutSeconds} s`, error);
    const why = (error as { cause?: { code?: string } }).cause?.code;
    const message = ['The server cannot be reached', why, hint].filter(Boolean).join('; ');
    throw new AnswerLost('network', message, error);
  } finally {
    limit.clear();
  }
}

function headersOf(fields: OutgoingRequest['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(fields)) {
    try {
      if (value !== undefined) headers.set(name, value);
    } catch {
      // Without the cause, which would reveal a token.
      throw new LocalError('bad-header', `The header ${name} contains invalid characters`);
    }
  }
  return headers;
}

/**
 * The abort signal of one request, without `AbortSignal.any`, which older browsers lack. Also aborts when the browser
 * is back online, because a request sent before it went offline may never be answered.
 */
class Limit {
  isTimeout = false;
  private readonly controller = new AbortController();
  private readonly stop = () => this.controller.abort();
  private readonly timer: ReturnType<typeof setTimeout>;
  private readonly endOnline = onOnline(this.stop);
  private readonly forget: () => void;

  constructor(seconds: number, outer: AbortSignal) {
    this.timer = setTimeout(() => {
      this.isTimeout = true;
      this.stop();
    }, seconds * 1000);
    this.forget = onAbort(outer, this.stop);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  clear(): void {
    clearTimeout(this.timer);
    this.endOnline();
    this.forget();
  }
}
