import type { MediaDto } from './api-types.js';
import type { Upload } from './upload.js';

/** Several uploads, of which only some run at once. */
export class UploadQueue {
  constructor(readonly uploads: readonly Upload[]) {}

  /** What became of each, in order; never rejects. */
  async settled(): Promise<PromiseSettledResult<MediaDto>[]> {
    return await Promise.allSettled(this.uploads.map(({ media }) => media));
  }

  /** All Media in order; rejects with the first error, while the others go on. */
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
