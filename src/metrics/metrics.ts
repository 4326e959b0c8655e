import { Counter, Histogram } from 'prom-client';

/** A chunk takes a few milliseconds, a completion up to seconds. */
const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Requests by the pattern of their route; what no route took has none. */
export const requestSeconds = new Histogram({
  name: 'mediadock_http_request_duration_seconds',
  help: 'Time from the head of a request to the end of its answer',
  labelNames: ['method', 'route', 'status'],
  buckets: BUCKETS_SECONDS,
});

export const storedBytes = new Counter({
  name: 'mediadock_stored_bytes_total',
  help: 'Bytes of chunks that were acknowledged, repeats not counted',
});
