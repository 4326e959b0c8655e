import { AppError } from '../errors/app-error.js';

/** The one answer to a missing, bad or expired token: why it failed is for the log, not for the caller (RFC 6750, 3). */
export class Unauthorized extends AppError {
  constructor(cause?: unknown) {
    super('unauthorized', 401, 'A valid bearer token is required', {
      action: 'refresh-token',
      headers: { 'WWW-Authenticate': 'Bearer' },
      cause,
    });
  }
}

/** Tokens come from an issuer, whose private key is not here. */
export class NoSigningKey extends AppError {
  constructor() {
    super('no-signing-key', 404, 'Tokens come from the issuer behind JWKS_URL', { action: 'give-up' });
  }
}
