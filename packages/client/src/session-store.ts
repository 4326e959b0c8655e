/** What is stored to resume an upload in another process. */
export interface StoredSession {
  /** Undefined until the first response. */
  readonly uploadId?: string;
  /** Sent with the first chunk, so that a retry does not open a second upload. */
  readonly idempotencyKey: string;
  /** ISO 8601, by the clock of the server. */
  readonly expires: string;
  /** Instead of the above: uploads that still have to be cancelled. */
  readonly cancelled?: readonly string[];
}

/** Any key-value store for small JSON values. */
export interface SessionStore {
  get(key: string): Promise<StoredSession | undefined> | StoredSession | undefined;
  set(key: string, session: StoredSession): Promise<void> | void;
  delete(key: string): Promise<void> | void;
}

/** Lasts as long as the page or process. */
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

/** Ignores failures of a store, because they must not fail an upload. */
export class TolerantStore implements SessionStore {
  constructor(private readonly store: SessionStore) {}

  async get(key: string): Promise<StoredSession | undefined> {
    const session = await trying(async () => await this.store.get(key));
    return isSession(session) ? session : undefined;
  }

  async set(key: string, session: StoredSession): Promise<void> {
    await trying(async () => await this.store.set(key, session));
  }

  async delete(key: string): Promise<void> {
    await trying(async () => await this.store.delete(key));
  }
}

export const MAX_REMEMBERED = 500;

/**
 * Returns all but the newest 500 names. Ignores expiry, because the local clock may be wrong.
 */
export function outdated(
  names: readonly string[],
  read: (name: string) => Partial<StoredSession> | null | undefined,
): string[] {
  if (names.length <= MAX_REMEMBERED) return [];
  const entries = names.map((name) => ({ name, expires: read(name)?.expires ?? '' }));
  entries.sort((a, b) => (a.expires < b.expires ? 1 : -1));
  return entries.slice(MAX_REMEMBERED).map(({ name }) => name);
}

/** Also checks that the values can be sent: a store may contain data of other programs or versions. */
function isSession(value: unknown): value is StoredSession {
  const { uploadId, idempotencyKey } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const named = uploadId === undefined || (typeof uploadId === 'string' && /^[0-9a-f]{32}$/.test(uploadId));
  return named && typeof idempotencyKey === 'string' && /^[!-~]{1,255}$/.test(idempotencyKey);
}

async function trying<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch {
    return undefined;
  }
}
