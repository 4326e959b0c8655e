import { AppError, ServiceUnavailable } from '../errors/app-error.js';

/** The one answer to a missing, bad or expired token; which of these is nothing for the caller. */
export class Unauthorized extends AppError {
  constructor(cause?: unknown) {
    super('unauthorized', 401, 'A valid bearer token is required', {
      action: 'refresh-token',
      headers: { 'WWW-Authenticate': 'Bearer' },
      cause,
    });
  }
}

/** One address has sent more bad tokens than anybody would by mistake. */
export class TooManyFailures extends AppError {
  constructor(seconds: number) {
    super('too-many-bad-tokens', 429, 'Too many bad tokens from this address', {
      action: 'wait',
      headers: { 'Retry-After': String(seconds) },
    });
  }
}

/** Whether the token is good cannot be known now; calling it bad would log every user out. */
export class IssuerAway extends ServiceUnavailable {
  constructor(cause: unknown) {
    super('The keys of the token issuer are not available', cause);
  }
}
