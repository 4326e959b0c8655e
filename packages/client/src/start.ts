import { Checksum } from './checksum.js';
import type { Platform } from './platform.js';
import { connect, type Server } from './server.js';
import { Slots } from './slots.js';
import { Upload, type UploadContext } from './upload.js';
import { UploadQueue } from './upload-queue.js';
import type { UploadOptions } from './upload-options.js';

export interface UploadAllOptions extends Omit<UploadOptions, 'name' | 'size' | 'fingerprint'> {
  /** How many uploads run at once; default 3. */
  readonly concurrency?: number;
}

export function startUpload<Input>(platform: Platform<Input>, input: Input, options: UploadOptions): Upload {
  return new Upload(
    async () => await platform.open(input, options),
    options,
    contextOf(platform, options, 1),
  );
}

export function startAll<Input>(
  platform: Platform<Input>,
  inputs: Iterable<Input>,
  { concurrency = 3, ...options }: UploadAllOptions,
): UploadQueue {
  const context = contextOf(platform, options, concurrency);
  const start = (input: Input) => new Upload(async () => await platform.open(input, {}), options, context);
  return new UploadQueue(Array.from(inputs, start));
}

/** Determines the server when an upload starts, so that invalid options become an error of each upload. */
function contextOf<Input>(
  platform: Platform<Input>,
  options: UploadOptions,
  concurrency: number,
): UploadContext {
  let server: Server | undefined;
  return {
    hash: platform.hash,
    slots: new Slots(concurrency),
    server: () => (server ??= connect(platform, options)),
  };
}

/** The MD5 of an input in hex, for completing an upload that was sent by other means. */
export async function md5Of<Input>(platform: Platform<Input>, input: Input): Promise<string> {
  const source = await platform.open(input, {});
  const checksum = new Checksum(source, platform.hash);
  try {
    return await checksum.digest();
  } finally {
    checksum.close();
    await source.close();
  }
}
