import type { Middleware } from './front.js';

/** No cache keeps an answer: a stale one would be wrong. Files and what pages are made of say otherwise. */
export const noStore: Middleware = (_request, response, next) => {
  response.setHeader('Cache-Control', 'no-store');
  next();
};
