import { Logger } from '@nestjs/common';
import type { Response } from 'express';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { ClientGone } from '../../errors/client-gone.js';
import { FileNotFound, PreconditionFailed, RangeNotSatisfiable } from './media.errors.js';

/**
 * `send` hands what it does not know on to `createReadStream`: pieces of 256 KiB, since pieces of 64 KiB, the default, are
 * half as fast.
 */
const OPTIONS = {
  lastModified: false,
  cacheControl: false,
  dotfiles: 'allow',
  highWaterMark: 256 * 1024,
} as const;

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
    response.sendFile(path, OPTIONS, (error: Error | undefined) => {
      if (!error || response.headersSent) return resolve();
      Object.keys(headers).forEach((name) => response.removeHeader(name));
      reject(toAppError(error));
    });
  });
}

type SendError = Error & { status?: number; code?: string; headers?: Record<string, string> };

const logger = new Logger('Files');

function toAppError(error: SendError): Error {
  if (error.status === 412) return new PreconditionFailed(error);
  if (error.status === 416)
    return new RangeNotSatisfiable(error.headers?.['Content-Range'] ?? 'bytes */*', error);
  if (error.code === 'ECONNABORTED')
    return new ClientGone('The client closed the download', { cause: error });
  if (error.code !== 'ENOENT') return new ServiceUnavailable('The file could not be read', error);
  logger.error({ err: error }, 'A Media has lost its file');
  return new FileNotFound();
}
