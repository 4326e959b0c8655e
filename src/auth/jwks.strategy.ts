import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { Request } from 'express';
import { errors, type JWTPayload, type JWTVerifyOptions } from 'jose';
import { Strategy } from 'passport';
import { ExtractJwt } from 'passport-jwt';
import { IssuerAway } from './auth.errors.js';
import { CLOCK_TOLERANCE_SECONDS, isPlain, userOf, type User } from './claims.js';
import { IssuerKeys } from './issuer-keys.js';
import { Config } from '../config/config.js';

type Verify = (claims: JWTPayload, done: (error: unknown, user: User | null) => void) => void;

/** A passport strategy based on `jose`, which supports EdDSA and key rotation. passport-jwt supports neither. */
class PublishedKeys extends Strategy {
  override readonly name = 'jwks';
  private readonly tokenOf = ExtractJwt.fromAuthHeaderAsBearerToken();

  constructor(
    private readonly options: { readonly keys: IssuerKeys; readonly verify: JWTVerifyOptions },
    private readonly accept: Verify,
  ) {
    super();
  }

  override authenticate(request: Request): void {
    const token = this.tokenOf(request);
    if (token === null || !isPlain(token))
      return this.fail('There is no token, or it has an extension or another type');
    this.options.keys.verify(token, this.options.verify).then(
      (payload) =>
        this.accept(payload, (error, user) => {
          if (error) return this.error(error);
          return user ? this.success(user) : this.fail('The token has no user');
        }),
      (error: unknown) =>
        isOfToken(error) ? this.fail('The token is not valid') : this.error(new IssuerAway(error)),
    );
  }
}

/** Errors of jose that mean a bad token. All others mean that the issuer does not return keys. */
function isOfToken(error: unknown): boolean {
  const code = error instanceof errors.JOSEError ? error.code : '';
  return /^ERR_(JWT_|JWS_|JWKS_NO_MATCHING_KEY|JOSE_ALG_NOT_ALLOWED|JOSE_NOT_SUPPORTED)/.test(code);
}

/** Tokens signed by an issuer that publishes its keys (RS256, ES256, EdDSA). */
@Injectable()
export class JwksStrategy extends PassportStrategy(PublishedKeys, 'jwks') {
  constructor({ tokens }: Config) {
    if (tokens.keys.source !== 'jwks') throw new Error('JwksStrategy needs JWKS_URL');
    super({
      keys: new IssuerKeys(tokens.keys.url),
      verify: {
        algorithms: [...tokens.keys.algorithms],
        requiredClaims: ['exp'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        ...(tokens.issuer && { issuer: tokens.issuer }),
        ...(tokens.audience && { audience: tokens.audience }),
      },
    });
  }

  validate(claims: JWTPayload): User | null {
    return userOf(claims);
  }
}
