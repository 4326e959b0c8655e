import { Claim } from './claim.js';
import { md5 } from './md5.js';
import type { SessionStore, StoredSession } from './session-store.js';

const DAY_MS = 86_400_000;

/** Remembers one upload in a store. Does nothing for files that cannot be recognized again. */
export class Bookmark {
  private readonly claim: Claim | undefined;
  private readonly key: string | undefined;

  /** @param fingerprint identifies the file; uploads to different servers have separate entries */
  constructor(
    private readonly store: SessionStore,
    url: string,
    fingerprint: string | undefined,
  ) {
    if (fingerprint === undefined) return;
    // Concurrent uploads of the same file have separate entries.
    this.claim = new Claim(`${url}\n${fingerprint}`);
    // Hashed, so that the store does not reveal file names.
    this.key = md5(new TextEncoder().encode(this.claim.name));
  }

  /** Frees the entry for the next upload of the same file. */
  release(): void {
    this.claim?.release();
  }

  async find(): Promise<StoredSession | undefined> {
    return this.key === undefined ? undefined : await this.store.get(this.key);
  }

  async save(idempotencyKey: string, session?: { upload_id: string; expires: string }): Promise<void> {
    if (this.key === undefined) return;
    const expires = session?.expires ?? new Date(Date.now() + DAY_MS).toISOString();
    await this.store.set(this.key, {
      idempotencyKey,
      expires,
      ...(session && { uploadId: session.upload_id }),
    });
  }

  async remove(): Promise<void> {
    if (this.key !== undefined) await this.store.delete(this.key);
  }
}
