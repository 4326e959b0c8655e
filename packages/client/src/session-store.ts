/** What has to be remembered to go on with an upload in another process. */
export interface StoredSession {
  /** Undefined until the first chunk is answered. */
  readonly uploadId?: string;
  /** Sent with the first chunk, so that its repeat opens no second upload. */
  readonly idempotencyKey: string;
  /** ISO 8601; forgotten after that. */
  readonly expires: string;
}

/** Any place that keeps small JSON values by key. */
export interface SessionStore {
  get(key: string): Promise<StoredSession | undefined> | StoredSession | undefined;
  set(key: string, session: StoredSession): Promise<void> | void;
  delete(key: string): Promise<void> | void;
}

/** Forgets with the page or process. */
export class MemoryStore implements SessionStore {
  private readonly sessions = new Map<string, StoredSession>();

  get(key: string): StoredSession | undefined {
    return this.sessions.get(key);
  }

  set(key: string, session: StoredSession): void {
    this.sessions.set(key, session);
  }

  delete(key: string): void {
    this.sessions.delete(key);
  }
}

export function isExpired({ expires }: StoredSession): boolean {
  return Date.parse(expires) <= Date.now();
}
