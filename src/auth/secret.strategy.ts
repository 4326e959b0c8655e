import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { JWTPayload } from 'jose';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { CLOCK_TOLERANCE_SECONDS, isPlain, userOf, type User } from './claims.js';
import { Config } from '../config/config.js';

/** Tokens signed with the secret that the app and its identity provider share (HS256). */
@Injectable()
export class SecretStrategy extends PassportStrategy(Strategy, 'secret') {
  constructor({ tokens }: Config) {
    if (tokens.keys.source !== 'secret') throw new Error('SecretStrategy needs JWT_SECRET');
    // A KeyObject, not a string: jsonwebtoken parses a string again for each token, at twenty times the cost.
    const key = tokens.keys.key as unknown as string;
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKeyProvider: (
        _request: unknown,
        token: string,
        done: (error: string | null, key?: string) => void,
      ) => (isPlain(token) ? done(null, key) : done('The token has an extension or another type')),
      ignoreExpiration: false,
      algorithms: [...tokens.keys.algorithms] as ['HS256'],
      ...(tokens.issuer && { issuer: tokens.issuer }),
      ...(tokens.audience && { audience: tokens.audience }),
      jsonWebTokenOptions: { clockTolerance: CLOCK_TOLERANCE_SECONDS },
    });
  }

  validate(claims: JWTPayload): User | null {
    return userOf(claims);
  }
}
