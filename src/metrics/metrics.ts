import { Counter, Gauge, Histogram } from 'prom-client';

/** A chunk takes a few milliseconds, a completion up to seconds. */
const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** By the pattern of the route; requests that match no route have none. */
export const requestSeconds = new Histogram({
  name: 'mediadock_http_request_duration_seconds',
  help: 'Time from the head of a request to the end of its response',
  labelNames: ['method', 'route', 'status'],
  buckets: BUCKETS_SECONDS,
});

/** It begins at 0, unlike the series of a status: an alert on its increase sees the first one. */
export const internalErrors = new Counter({
  name: 'mediadock_internal_errors_total',
  help: 'Responses with status 500',
});

export const storedBytes = new Counter({
  name: 'mediadock_stored_bytes_total',
  help: 'Bytes of acknowledged chunks, retries not counted',
});

export const deliveredEvents = new Counter({
  name: 'mediadock_webhooks_delivered_total',
  help: 'Events that a receiver has accepted',
});

export const failedEvents = new Counter({
  name: 'mediadock_webhooks_failed_total',
  help: 'Events that were given up after the last attempt',
});

export const oldestWaitingEventSeconds = new Gauge({
  name: 'mediadock_webhooks_oldest_waiting_seconds',
  help: 'Age of the oldest event that is not delivered yet',
  aggregator: 'max',
});
