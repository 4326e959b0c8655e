import type { Middleware } from './front.js';

/** Responses are not cached, since a stale one would be wrong. Files and pages override this. */
export const noStore: Middleware = (_request, response, next) => {
  response.setHeader('Cache-Control', 'no-store');
  next();
};
