import { AppError } from '../../errors/app-error.js';

export class MediaNotFound extends AppError {
  constructor() {
    super('media-not-found', 404, 'There is no such media item', { action: 'give-up' });
  }
}

/** Retrying the same search would take as long. */
export class SearchTooSlow extends AppError {
  constructor(cause?: unknown) {
    super('search-too-slow', 400, 'The search took too long: use a longer search text, or a single type', {
      action: 'fix-request',
      field: 'search',
      cause,
    });
  }
}

export class FileNotFound extends AppError {
  constructor() {
    super('file-not-found', 404, 'There is no such file', { action: 'give-up' });
  }
}

export class InvalidSignature extends AppError {
  constructor() {
    super('invalid-signature', 403, 'The signature of the URL is not valid', { action: 'fix-request' });
  }
}

export class ExpiredUrl extends AppError {
  constructor() {
    super('expired-url', 403, 'The URL has expired: read the media item again for a new one', {
      action: 'fix-request',
    });
  }
}

export class PreconditionFailed extends AppError {
  constructor() {
    super('precondition-failed', 412, 'The file does not match If-Match or If-Unmodified-Since', {
      action: 'fix-request',
    });
  }
}

export class RangeNotSatisfiable extends AppError {
  /** @param contentRange `bytes ∗/size`: how long the file is (RFC 9110, 15.5.17) */
  constructor(contentRange: string) {
    super('range-not-satisfiable', 416, 'The range lies outside the file', {
      action: 'fix-request',
      headers: { 'Content-Range': contentRange },
    });
  }
}
