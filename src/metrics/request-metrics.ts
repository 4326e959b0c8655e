import type { Middleware } from '../http/front.js';
import { requestSeconds } from './metrics.js';

/** Times every request. One that ended without an answer counts under the status 0. */
export const requestMetrics: Middleware = (request, response, next) => {
  const stop = requestSeconds.startTimer();
  response.once('close', () => {
    const status = response.writableFinished ? response.statusCode : 0;
    stop({ method: request.method ?? '', route: request.route?.path ?? '', status });
  });
  next();
};
