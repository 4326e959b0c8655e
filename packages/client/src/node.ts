import { createHash } from 'node:crypto';
import { FileSource } from './file-source.js';
import type { Hash, Platform } from './platform.js';
import { MemoryStore } from './session-store.js';
import { openSource, type UploadInput } from './source.js';
import { md5Of, startAll, startUpload, type UploadAllOptions } from './start.js';
import { unusedProxy } from './unused-proxy.js';
import type { Upload } from './upload.js';
import type { UploadOptions } from './upload-options.js';
import type { UploadQueue } from './upload-queue.js';

export type { MediaDto as Media, ProblemDto as Problem, UploadDto as UploadSession } from './api-types.js';
export type { RetryPolicy } from './backoff.js';
export { JsonFileStore } from './json-file-store.js';
export { MemoryStore, type SessionStore, type StoredSession } from './session-store.js';
export type { UploadInput } from './source.js';
export type { Progress } from './speed.js';
export type { UploadAllOptions } from './start.js';
export type { TokenOption } from './tokens.js';
export type { Upload, UploadEvents, UploadState } from './upload.js';
export { UploadError, type Action } from './upload-error.js';
export type { UploadOptions } from './upload-options.js';
export type { UploadQueue } from './upload-queue.js';

/** Also the path of a file. */
export type NodeUploadInput = UploadInput | string | URL;

const node: Platform<NodeUploadInput> = {
  open: async (input, options) =>
    typeof input === 'string' || input instanceof URL
      ? await FileSource.open(input, options.name)
      : openSource(input, options),
  hash: async () => nativeHash(),
  store: new MemoryStore(),
  hint: (url) => unusedProxy(url, process),
};

export function upload(file: NodeUploadInput, options: UploadOptions = {}): Upload {
  return startUpload(node, file, options);
}

export function uploadAll(files: Iterable<NodeUploadInput>, options: UploadAllOptions = {}): UploadQueue {
  return startAll(node, files, options);
}

export async function md5(file: NodeUploadInput): Promise<string> {
  return await md5Of(node, file);
}

function nativeHash(): Hash {
  const hash = createHash('md5');
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => hash.digest('hex'),
    close: () => undefined,
  };
}
