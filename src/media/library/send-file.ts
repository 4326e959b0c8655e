import type { Response } from 'express';
import { FileNotFound, RangeNotSatisfiable } from './media.errors.js';

/**
 * Streams a file with ranges and conditional requests (by `send`, through Express). Resolves when the answer has been
 * sent or the client has gone.
 */
export async function sendFile(
  response: Response,
  path: string,
  headers: Record<string, string>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    response.set(headers);
    response.sendFile(
      path,
      { lastModified: false, cacheControl: false, dotfiles: 'allow' },
      (error: Error | undefined) => {
        if (!error || response.headersSent) return resolve();
        Object.keys(headers).forEach((name) => response.removeHeader(name));
        reject(toAppError(error));
      },
    );
  });
}

function toAppError(
  error: Error & { status?: number; code?: string; headers?: Record<string, string> },
): Error {
  if (error.status === 416)
    return new RangeNotSatisfiable(error.headers?.['Content-Range'] ?? 'bytes */*', error);
  return error.code === 'ENOENT' ? new FileNotFound() : error;
}
