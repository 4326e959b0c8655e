import type { IncomingHttpHeaders } from 'node:http';
import fresh from 'fresh';
import parseRange from 'range-parser';
import { PreconditionFailed, RangeNotSatisfiable } from '../media.errors.js';

/** The requested file: its size in bytes, and the headers that conditions refer to. */
interface Representation {
  readonly size: number;
  readonly headers: { readonly ETag: string; readonly 'Last-Modified'?: string };
}

/** What to send: nothing, or bytes `start` to `end`, inclusive. */
export type Selection =
  { readonly status: 304 } | { readonly status: 200 | 206; readonly start: number; readonly end: number };

/**
 * Evaluates conditional requests and single ranges (RFC 9110, 13 and 14). Requests for several ranges get the whole
 * file.
 * @throws PreconditionFailed, RangeNotSatisfiable
 */
export function select(asked: IncomingHttpHeaders, { size, headers }: Representation): Selection {
  const { ETag: etag, 'Last-Modified': lastModified = '' } = headers;
  if (isPreconditionFailed(asked, etag, lastModified)) throw new PreconditionFailed();
  if (isCurrent(asked, etag, lastModified)) return { status: 304 };
  const range = isOfThisFile(asked, etag, lastModified) ? rangeOf(asked, size) : undefined;
  return range ? { status: 206, ...range } : { status: 200, start: 0, end: size - 1 };
}

/** Whether a request has conditions, besides a range. */
export function isConditional(asked: IncomingHttpHeaders): boolean {
  return CONDITIONS.some((name) => asked[name] !== undefined);
}

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'];

/** The requested range; undefined for the whole file. */
function rangeOf({ range }: IncomingHttpHeaders, size: number): { start: number; end: number } | undefined {
  // Names of units are case-insensitive (RFC 9110, 14.1).
  if (!range || !/^ *bytes=/i.test(range)) return undefined;
  const ranges = parseRange(size, shortSuffixes(range, size), { combine: true });
  if (ranges === -1) throw new RangeNotSatisfiable(`bytes */${size}`);
  const [first, ...others] = Array.isArray(ranges) ? ranges : [];
  return first && others.length === 0 ? { start: first.start, end: first.end } : undefined;
}

/** A suffix longer than the file is the whole file (RFC 9110, 14.1.2); the parser takes it for a range past the end. */
function shortSuffixes(range: string, size: number): string {
  return range.replace(/([=,] *)-(\d+)/g, (_, before: string, length: string) => {
    return `${before}-${Math.min(Number(length), size)}`;
  });
}

/** If-None-Match, or else If-Modified-Since: whether the client has this file. */
function isCurrent(asked: IncomingHttpHeaders, etag: string, lastModified: string): boolean {
  // Without Cache-Control: `fresh` would send the whole file to no-cache, which fetch of Node adds to every condition.
  const { 'if-none-match': ifNoneMatch, 'if-modified-since': since } = asked;
  const conditions = { 'if-none-match': ifNoneMatch, 'if-modified-since': since };
  return fresh(conditions, { etag, 'last-modified': lastModified });
}

/** If-Range: whether the client has parts of the same file (RFC 9110, 13.1.5). */
function isOfThisFile(asked: IncomingHttpHeaders, etag: string, lastModified: string): boolean {
  const ifRange = asked['if-range'];
  if (typeof ifRange !== 'string') return true;
  if (ifRange.includes('"')) return ifRange === etag;
  return Date.parse(lastModified) === Date.parse(ifRange);
}

/** If-Match, or else If-Unmodified-Since (RFC 9110, 13.2.2). */
function isPreconditionFailed(asked: IncomingHttpHeaders, etag: string, lastModified: string): boolean {
  const { 'if-match': ifMatch, 'if-unmodified-since': since } = asked;
  const tags = ifMatch?.split(',').map((tag) => tag.trim());
  if (tags) return !tags.includes('*') && !tags.includes(etag);
  return Date.parse(lastModified) > Date.parse(since ?? '');
}
