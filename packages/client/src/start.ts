import { Checksum } from './checksum.js';
import type { Platform } from './platform.js';
import { Slots } from './slots.js';
import { Tokens } from './tokens.js';
import { Upload } from './upload.js';
import { UploadQueue } from './upload-queue.js';
import type { UploadOptions } from './upload-options.js';

export interface UploadAllOptions extends Omit<UploadOptions, 'name' | 'size' | 'fingerprint'> {
  /** How many run at once; default 3. */
  readonly concurrency?: number;
}

export function startUpload<Input>(platform: Platform<Input>, input: Input, options: UploadOptions): Upload {
  const context = { platform, tokens: new Tokens(options.token), slots: new Slots(1) };
  return new Upload(async () => await platform.open(input, options), options, context);
}

export function startAll<Input>(
  platform: Platform<Input>,
  inputs: Iterable<Input>,
  { concurrency = 3, ...options }: UploadAllOptions,
): UploadQueue {
  const context = { platform, tokens: new Tokens(options.token), slots: new Slots(concurrency) };
  const start = (input: Input) => new Upload(async () => await platform.open(input, {}), options, context);
  return new UploadQueue(Array.from(inputs, start));
}

/** The md5 of a whole input, in hex: what completes an upload that is sent by other means. */
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
