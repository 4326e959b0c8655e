import type { Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { Logger } from '@nestjs/common';
import type { Response } from 'express';
import { ClientGone } from '../../errors/client-gone.js';
import { FileNotFound, PreconditionFailed, RangeNotSatisfiable } from './media.errors.js';

/** Opens a blob from byte `start` to byte `end`, the last one; undefined if it is gone. */
type Open = (start: number, end: number) => Promise<Readable | undefined>;

const logger = new Logger('Files');

/**
 * Streams a blob, with conditional requests and single ranges (RFC 9110, 13 and 14); several ranges at once are answered with
 * the whole. Resolves when the answer has been sent.
 * @param size in bytes; undefined if there is no such blob
 * @throws FileNotFound, PreconditionFailed, RangeNotSatisfiable, ClientGone
 */
export async function sendBlob(
  response: Response,
  headers: Readonly<Record<string, string>>,
  size: number | undefined,
  open: Open,
): Promise<void> {
  response.set({ ...headers, 'Accept-Ranges': 'bytes' });
  try {
    await answer(response, size ?? lost(), open);
  } catch (error) {
    const names = [...Object.keys(headers), 'Accept-Ranges', 'Content-Length', 'Content-Range'];
    if (!response.headersSent) names.forEach((name) => response.removeHeader(name));
    throw isGone(error) ? new ClientGone('The client closed the download', { cause: error }) : error;
  }
}

async function answer(response: Response, size: number, open: Open): Promise<void> {
  if (isPreconditionFailed(response)) throw new PreconditionFailed();
  if (response.req.fresh) {
    response.removeHeader('Content-Type');
    return void response.status(304).end();
  }
  const range = rangeOf(response, size);
  const { start, end } = range ?? { start: 0, end: size - 1 };
  const isWanted = response.req.method !== 'HEAD' && size > 0;
  const blob = isWanted ? ((await open(start, end)) ?? lost()) : undefined;
  if (range) response.status(206).set('Content-Range', `bytes ${start}-${end}/${size}`);
  response.set('Content-Length', String(end + 1 - start));
  if (blob) await send(blob, response);
  else response.end();
}

/** A blob that ends early cuts the connection, or its client would wait for the rest. */
async function send(blob: Readable, response: Response): Promise<void> {
  response.strictContentLength = true;
  await pipeline(blob, response, { end: false });
  response.end();
  await finished(response);
}

/** The range that is asked for; undefined for the whole. @throws RangeNotSatisfiable */
function rangeOf(response: Response, size: number): { start: number; end: number } | undefined {
  const ranges = response.req.range(size, { combine: true });
  if (!Array.isArray(ranges) && ranges !== -1) return undefined;
  if (!/^ *bytes=/.test(response.req.get('range') ?? '') || !isOfThisFile(response)) return undefined;
  if (ranges === -1) throw new RangeNotSatisfiable(`bytes */${size}`);
  return ranges.length === 1 ? ranges[0] : undefined;
}

/** If-Range: whether the client has parts of this very file (RFC 9110, 13.1.5). */
function isOfThisFile(response: Response): boolean {
  const ifRange = response.req.get('if-range');
  if (ifRange === undefined) return true;
  if (ifRange.includes('"')) return ifRange === response.get('ETag');
  return Date.parse(response.get('Last-Modified') ?? '') <= Date.parse(ifRange);
}

/** If-Match, or else If-Unmodified-Since (RFC 9110, 13.2.2). */
function isPreconditionFailed(response: Response): boolean {
  const { 'if-match': ifMatch, 'if-unmodified-since': since } = response.req.headers;
  const tags = ifMatch?.split(',').map((tag) => tag.trim());
  if (tags) return !tags.includes('*') && !tags.includes(response.get('ETag') ?? '');
  return Date.parse(response.get('Last-Modified') ?? '') > Date.parse(since ?? '');
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function lost(): never {
  logger.error('A row has lost its file');
  throw new FileNotFound();
}
