import { Claim } from './claim.js';
import { md5 } from './md5.js';
import type { SessionStore, StoredSession } from './session-store.js';

const DAY_MS = 86_400_000;

/** The place in a store where one upload is remembered; nowhere, for a file that could not be told again. */
export class Bookmark {
  private readonly claim: Claim | undefined;
  private readonly key: string | undefined;

  /** @param fingerprint what tells the file from others; on its way to another server it is another upload */
  constructor(
    private readonly store: SessionStore,
    url: string,
    fingerprint: string | undefined,
  ) {
    if (fingerprint === undefined) return;
    // Two uploads of the same file at once have a place each.
    this.claim = new Claim(`${url}\n${fingerprint}`);
    // Hashed, so that no store shows which files somebody has.
    this.key = md5(new TextEncoder().encode(this.claim.name));
  }

  /** Leaves the place to the next upload of the same file. */
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
