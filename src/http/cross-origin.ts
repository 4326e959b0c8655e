import cors from 'cors';
import type { Middleware } from './front.js';

/** Request headers that the API reads. */
const OF_THE_API = [
  'Authorization',
  'Content-Range',
  'Content-Disposition',
  'Content-Type',
  'Idempotency-Key',
  // Resumes a stream of events.
  'Last-Event-ID',
  // Ranged downloads, as by PDF viewers, and conditional ones.
  'Range',
  'If-Range',
  'If-Match',
  'If-None-Match',
  'If-Modified-Since',
  'If-Unmodified-Since',
];

/** Headers that libraries add to every request. If one is not allowed, all requests fail. */
const OF_LIBRARIES = [
  'traceparent',
  'tracestate',
  'baggage',
  'sentry-trace',
  'X-Request-Id',
  'X-Requested-With',
  'Cache-Control',
];

/** Response headers that pages may read, besides those that they always may. */
const EXPOSED = [
  'Location',
  'Upload-Offset',
  'Upload-Length',
  'Upload-Replayed',
  'Retry-After',
  'Content-Range',
  'ETag',
  'Accept-Ranges',
  'Content-Disposition',
  'X-Request-Id',
  'Allow',
  'WWW-Authenticate',
];

/**
 * Lets pages of other origins call the API and read its responses.
 * @param origins all of them if `*` is included
 * @param headers further request headers to allow
 */
export function crossOrigin(origins: readonly string[], headers: readonly string[]): Middleware {
  return cors({
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: [...OF_THE_API, ...OF_LIBRARIES, ...headers],
    exposedHeaders: EXPOSED,
    maxAge: 7200,
  });
}
