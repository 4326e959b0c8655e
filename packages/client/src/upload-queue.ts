import type { MediaDto } from './api-types.js';
import type { Upload } from './upload.js';

/** Several uploads, of which a limited number run at once. */
export class UploadQueue {
  constructor(readonly uploads: readonly Upload[]) {}

  /** The outcome of each upload, in order. Never rejects. */
  async settled(): Promise<PromiseSettledResult<MediaDto>[]> {
    return await Promise.allSettled(this.uploads.map(({ media }) => media));
  }

  /** All media items in order. Rejects with the first error, while the other uploads continue. */
  async all(): Promise<MediaDto[]> {
    return await Promise.all(this.uploads.map(({ media }) => media));
  }

  pause(): void {
    for (const upload of this.uploads) upload.pause();
  }

  resume(): void {
    for (const upload of this.uploads) upload.resume();
  }

  async abort(options?: { readonly cancel?: boolean }): Promise<void> {
    await Promise.all(this.uploads.map(async (upload) => await upload.abort(options)));
  }
}
