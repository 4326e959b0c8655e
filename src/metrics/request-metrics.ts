import type { Middleware } from '../http/front.js';
import { internalErrors, requestSeconds } from './metrics.js';

/** Measures every request. Without a response, the status is 0. */
export const requestMetrics: Middleware = (request, response, next) => {
  const stop = requestSeconds.startTimer();
  response.once('close', () => {
    const status = response.writableFinished ? response.statusCode : 0;
    if (status === 500) internalErrors.inc();
    stop({ method: request.method ?? '', route: request.route?.path ?? '', status });
  });
  next();
};
