import type { Api } from './api.js';
import { Backoff, PATIENT, pause, type RetryPolicy } from './backoff.js';
import { md5 } from './md5.js';
import { isOffline } from './network.js';
import type { SessionStore } from './session-store.js';
import { Slots } from './slots.js';
import { toUploadError, type UploadError } from './upload-error.js';

/** Few, because somebody is waiting. */
const QUICK_RETRIES = 3;
const MAX_REMEMBERED = 100;
const FOREVER = '9999-12-31T23:59:59.999Z';

const NEVER = new AbortController().signal;
/** Changes of the stored list are made one at a time. */
const turns = new Slots(1);
/** Uploads that are gone, even if a store that cannot be written still lists them. */
const settled = new Set<string>();

/**
 * Uploads that were cancelled while the server may have been unreachable. They are stored, so that this process or a
 * later one with the same store can cancel them on the server. Any that get lost will expire.
 */
export class Cancellations {
  private readonly key: string;
  private readonly own = new Set<string>();
  private catchingUp: Promise<void> | undefined;

  constructor(
    private readonly store: SessionStore,
    url: string,
    private readonly api: Api,
    private readonly retry: Partial<RetryPolicy> = {},
  ) {
    this.key = md5(new TextEncoder().encode(`${url}\ncancelled`));
  }

  /** Resolves when the upload is cancelled, or will be later. Never rejects. */
  async cancel(uploadId: string): Promise<void> {
    this.own.add(uploadId);
    await this.change((ids) => [...ids, uploadId]);
    const backoff = new Backoff({ ...PATIENT, ...this.retry, limit: QUICK_RETRIES });
    for (let error = await this.attempt(uploadId); error; error = await this.attempt(uploadId)) {
      const delayMs = mayPassSoon(error) ? backoff.next() : undefined;
      if (delayMs === undefined) return this.catchUp();
      await pause(delayMs, NEVER);
    }
  }

  /** Cancels the remaining uploads, also those of earlier processes, in the background. */
  catchUp(): void {
    this.catchingUp ??= this.keepTrying().finally(() => (this.catchingUp = undefined));
  }

  async pending(): Promise<string[]> {
    const ids = new Set([...this.own, ...idsOf(await this.store.get(this.key))]);
    return [...ids].filter((id) => !settled.has(id));
  }

  private async keepTrying(): Promise<void> {
    const backoff = new Backoff({ ...PATIENT, ...this.retry, limit: Infinity });
    for (let [id] = await this.pending(); id !== undefined; [id] = await this.pending()) {
      const error = await this.attempt(id);
      if (!error) continue;
      // The next upload tries again: somebody has signed in.
      if (lacksToken(error)) return;
      await pause(backoff.next(error.retryAfterMs) ?? 0, NEVER, 'in the background');
    }
  }

  /** @returns the error if this has to be retried, or undefined if the upload is gone or can never be cancelled */
  private async attempt(uploadId: string): Promise<UploadError | undefined> {
    try {
      await this.api.cancel(uploadId, NEVER);
    } catch (cause) {
      const error = toUploadError(cause);
      if (lacksToken(error) || ['wait', 'resume-from-offset'].includes(error.action)) return error;
    }
    settled.add(uploadId);
    this.own.delete(uploadId);
    await this.change((ids) => ids.filter((id) => id !== uploadId));
    return undefined;
  }

  private async change(change: (ids: string[]) => string[]): Promise<void> {
    await turns.run(async () => {
      const before = idsOf(await this.store.get(this.key));
      const cancelled = change(before).slice(-MAX_REMEMBERED);
      if (cancelled.length > 0)
        await this.store.set(this.key, { idempotencyKey: 'none', expires: FOREVER, cancelled });
      else if (before.length > 0) await this.store.delete(this.key);
    }, NEVER);
  }
}

function mayPassSoon(error: UploadError): boolean {
  return !isOffline() && !lacksToken(error) && error.code !== 'timeout' && error.retryAfterMs === 0;
}

function lacksToken({ code, action }: UploadError): boolean {
  return code === 'no-token' || action === 'refresh-token';
}

function idsOf(entry: { readonly cancelled?: unknown } | undefined): string[] {
  const ids: unknown[] = Array.isArray(entry?.cancelled) ? entry.cancelled : [];
  return ids.filter((id): id is string => typeof id === 'string' && /^[0-9a-f]{32}$/.test(id));
}
