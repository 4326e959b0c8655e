import { Counter, Gauge, Histogram } from 'prom-client';

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

export const deliveredEvents = new Counter({
  name: 'mediadock_webhooks_delivered_total',
  help: 'Events that a receiver has taken',
});

export const failedEvents = new Counter({
  name: 'mediadock_webhooks_failed_total',
  help: 'Events that were given up for a receiver after the last attempt',
});

export const oldestWaitingEventSeconds = new Gauge({
  name: 'mediadock_webhooks_oldest_waiting_seconds',
  help: 'Age of the oldest event that a receiver does not have yet',
  aggregator: 'max',
});
