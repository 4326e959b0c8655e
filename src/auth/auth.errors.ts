import { AppError, ServiceUnavailable } from '../errors/app-error.js';

/** Missing, bad and expired tokens get the same response, on purpose. */
export class Unauthorized extends AppError {
  constructor(cause?: unknown) {
    super('unauthorized', 401, 'A valid bearer token is required', {
      action: 'refresh-token',
      headers: { 'WWW-Authenticate': 'Bearer' },
      cause,
    });
  }
}

/** Another token of the same issuer would be as long, so this is no reason to refresh it. */
export class TokenTooLarge extends AppError {
  constructor(maxBytes: number) {
    super(
      'token-too-large',
      431,
      `The Authorization header may have at most ${maxBytes} bytes. Let the issuer put less into its tokens`,
      { action: 'fix-request', members: { max_bytes: maxBytes } },
    );
  }
}

/** An address has sent more bad tokens than would happen by mistake. */
export class TooManyFailures extends AppError {
  constructor(seconds: number) {
    super('too-many-bad-tokens', 429, 'Too many bad tokens from this address', {
      action: 'wait',
      headers: { 'Retry-After': String(seconds) },
    });
  }
}

/** The token cannot be verified at the moment. A 401 would log all users out. */
export class IssuerAway extends ServiceUnavailable {
  constructor(cause: unknown) {
    super('The keys of the token issuer are not available', cause);
  }
}
