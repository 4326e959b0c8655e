import { S3Client } from '@aws-sdk/client-s3';
import type { S3Settings } from '../../config/settings/storage.js';
import { ATTEMPT_MS } from './patience.js';

const AGENT = { keepAlive: true, maxSockets: Infinity };

/**
 * Checksums in headers or trailers only where S3 demands them: not every store knows them, and some refuse bodies without a
 * length. Content-MD5, which all know, protects what is sent.
 */
export function createClient({ endpoint, credentials, region, forcePathStyle }: S3Settings): S3Client {
  return new S3Client({
    region,
    forcePathStyle,
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials && { credentials }),
    maxAttempts: 3,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // It would open a connection for each large body, and wait for the store before sending it.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: 2000,
      requestTimeout: ATTEMPT_MS,
      throwOnRequestTimeout: true,
      socketTimeout: ATTEMPT_MS,
      httpAgent: AGENT,
      httpsAgent: AGENT,
    },
  });
}
