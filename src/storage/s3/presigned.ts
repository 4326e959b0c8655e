import { GetObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { DirectResponse } from '../blob-storage.js';
import type { Bucket } from './bucket.js';
import { reaching } from './s3.errors.js';

/** Long enough for the first byte of a download that waits in a queue; one that has begun may take longer. */
const VALID_SECONDS = 300;

/** A URL at which anybody gets an object, with the headers that are named, for some minutes. */
export async function presigned(bucket: Bucket, key: string, response: DirectResponse): Promise<string> {
  const command = new GetObjectCommand({
    ...bucket.at(key),
    ResponseContentType: response.contentType,
    ResponseContentDisposition: response.contentDisposition,
    ResponseCacheControl: response.cacheControl,
  });
  return await reaching(() => getSignedUrl(bucket.client, command, { expiresIn: VALID_SECONDS }));
}
