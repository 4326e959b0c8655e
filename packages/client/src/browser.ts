import { LocalStorageStore } from './local-storage-store.js';
import type { Platform } from './platform.js';
import { openSource, type UploadInput } from './source.js';
import { md5Of, startAll, startUpload, type UploadAllOptions } from './start.js';
import type { Upload } from './upload.js';
import type { UploadOptions } from './upload-options.js';
import type { UploadQueue } from './upload-queue.js';
import { workerHash } from './worker-hash.js';

export type { MediaDto as Media, ProblemDto as Problem, UploadDto as UploadSession } from './api-types.js';
export type { RetryPolicy } from './backoff.js';
export { LocalStorageStore } from './local-storage-store.js';
export { MemoryStore, type SessionStore, type StoredSession } from './session-store.js';
export type { UploadInput } from './source.js';
export type { Progress } from './speed.js';
export type { UploadAllOptions } from './start.js';
export type { TokenOption } from './tokens.js';
export type { Upload, UploadEvents, UploadState } from './upload.js';
export { UploadError, type Action } from './upload-error.js';
export type { UploadOptions } from './upload-options.js';
export type { UploadQueue } from './upload-queue.js';

const browser: Platform<UploadInput> = {
  open: async (input, options) => openSource(input, options),
  hash: workerHash,
  store: new LocalStorageStore(),
};

export function upload(file: UploadInput, options: UploadOptions = {}): Upload {
  return startUpload(browser, file, options);
}

export function uploadAll(files: Iterable<UploadInput>, options: UploadAllOptions = {}): UploadQueue {
  return startAll(browser, files, options);
}

export async function md5(file: UploadInput): Promise<string> {
  return await md5Of(browser, file);
}
