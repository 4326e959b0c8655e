import { AppError, ServiceUnavailable } from '../errors/app-error.js';

export class BodyTooLarge extends AppError {
  /**
   * @param hangUp whether to close the connection instead of reading the rest
   * @param advice a sentence on what to do instead
   */
  constructor(maxBytes: number, hangUp = false, advice = '') {
    super(
      'body-too-large',
      413,
      `The request body may be at most ${maxBytes} bytes${advice && `. ${advice}`}`,
      {
        action: 'fix-request',
        members: { max_bytes: maxBytes },
        ...(hangUp && { headers: { Connection: 'close' } }),
      },
    );
  }
}

/** There is no memory for another body. */
export class ServerBusy extends ServiceUnavailable {
  constructor() {
    super('The server is busy with other uploads; try again');
  }
}

/** A body that arrives too slowly occupies a connection and memory. */
export class BodyTooSlow extends AppError {
  constructor(bytesPerSecond: number) {
    super('body-too-slow', 408, `The request body arrived at less than ${bytesPerSecond} bytes per second`, {
      action: 'resend-chunk',
      headers: { Connection: 'close' },
    });
  }
}

/** A multipart body that breaks RFC 7578 or our limits; `code` says which rule. */
export class MultipartError extends AppError {
  constructor(code: string, detail: string) {
    super(code, 400, detail, { action: 'fix-request' });
  }
}

export class UnsupportedBody extends AppError {
  constructor(detail: string) {
    super('unsupported-body', 415, detail, { action: 'fix-request' });
  }
}

export class MalformedBody extends AppError {
  constructor(detail: string, cause?: unknown) {
    super('malformed-body', 400, detail, { action: 'fix-request', cause });
  }
}
