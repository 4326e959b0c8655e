import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { S3Settings } from '../../config/settings/storage.js';
import { StartError } from '../../config/start-error.js';
import type { Bucket } from './bucket.js';
import type { S3Error } from './s3.errors.js';

const KEEPS_VERSIONS =
  'The bucket keeps versions, so what is deleted stays in it: turn versioning off, or expire noncurrent versions';

/** Tries every operation that the server needs. @throws StartError that says what to correct */
export async function checkBucket(bucket: Bucket, settings: S3Settings): Promise<void> {
  const key = `probe-${randomBytes(8).toString('hex')}`;
  const bytes = randomBytes(32);
  let version: string | undefined;
  const steps: readonly (readonly [what: string, step: () => Promise<unknown>])[] = [
    ['put', async () => (version = await bucket.put(key, bytes))],
    ['get', async () => same(await bucket.read(key, 0, bytes.length), bytes)],
    ['list', () => bucket.list(key).next()],
    ['delete', () => bucket.remove(key)],
  ];
  for (const [what, step] of steps) {
    await step().catch((error: unknown) => {
      const { cause = error } = error as Error;
      throw new StartError(sentence(cause as S3Error, what, settings), { cause });
    });
  }
  // The version "null" means that the bucket has ceased to keep them.
  if (version !== undefined && version !== 'null') new Logger('Storage').warn(KEEPS_VERSIONS);
}

function same(read: Buffer | undefined, written: Buffer): void {
  if (!read?.equals(written)) throw new Error('it returned other bytes than were stored');
}

/** The SDK puts this before the words of the system. */
const WRAPPER = /^AWS SDK error wrapper for (Error: )?/;

interface Failure {
  readonly error: S3Error;
  readonly what: string;
  readonly settings: S3Settings & { readonly endpoint: string };
}

function sentence(error: S3Error, what: string, settings: S3Settings): string {
  const { endpoint = 'AWS', bucket } = settings;
  const known = SENTENCES[error.name];
  if (known) return known({ error, what, settings: { ...settings, endpoint } });
  if (error.$metadata?.httpStatusCode === undefined)
    return `S3_ENDPOINT: ${endpoint} cannot be reached (${error.message.replace(WRAPPER, '')}).`;
  return `S3_BUCKET: cannot ${what} an object in ${bucket} at ${endpoint} (${error.name}: ${error.message}).`;
}

type Sentence = (failure: Failure) => string;

const noSuchBucket: Sentence = ({ settings: { bucket, endpoint } }) =>
  `S3_BUCKET: there is no bucket ${bucket} at ${endpoint}: create it, or correct the name.`;
const elsewhere: Sentence = ({ error, settings: { bucket, region } }) =>
  `S3_REGION: the bucket ${bucket} is not in ${region} (${error.message}).`;

/** By the code that the store or the SDK gives an error. */
const SENTENCES: Readonly<Record<string, Sentence>> = {
  NoSuchBucket: noSuchBucket,
  InvalidBucketName: noSuchBucket,
  PermanentRedirect: elsewhere,
  AuthorizationHeaderMalformed: elsewhere,
  IllegalLocationConstraintException: elsewhere,
  InvalidAccessKeyId: ({ settings: { endpoint } }) => `S3_ACCESS_KEY_ID: ${endpoint} does not know this key.`,
  SignatureDoesNotMatch: () => 'S3_SECRET_ACCESS_KEY: does not belong to S3_ACCESS_KEY_ID.',
  AccessDenied: ({ what, settings: { bucket } }) =>
    `S3_BUCKET: these credentials may not ${what} objects in ${bucket}: allow them to put, get, list and delete.`,
  RequestTimeTooSkewed: ({ settings: { endpoint } }) =>
    `S3_ENDPOINT: the clocks of this machine and of ${endpoint} differ too much: set them right.`,
  CredentialsProviderError: () =>
    'S3_ACCESS_KEY_ID: no credentials were found: set it and S3_SECRET_ACCESS_KEY, or use another source that the AWS SDK supports.',
};
