import {
  applyDecorators,
  createParamDecorator,
  Injectable,
  SetMetadata,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import { ApiSecurity } from '@nestjs/swagger';
import type { Request } from 'express';
import { AppError } from '../errors/app-error.js';
import { Config } from '../config/config.js';
import { Unauthorized } from './auth.errors.js';
import type { User } from './claims.js';
import { FailedTokens } from './failed-tokens.js';
import { VerifiedTokens } from './verified-tokens.js';

/** A token with a few dozen claims and an RSA signature has a quarter of it. */
const MAX_CHARS = 8192;

const PUBLIC = 'auth:public';

/** Opens a route to everybody; all others need a bearer token. */
export const Public = () => applyDecorators(SetMetadata(PUBLIC, true), ApiSecurity({}));

/** The user of the request's token. Only for routes that are not `@Public()`. */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext): User => {
  const { user } = context.switchToHttp().getRequest<Request>();
  if (!user) throw new Unauthorized();
  return user as User;
});

/** The one guard of the app: verifies the bearer token before anything of the body is read. */
@Injectable()
export class BearerGuard implements CanActivate {
  private readonly passport: CanActivate;

  constructor(
    private readonly reflector: Reflector,
    private readonly verified: VerifiedTokens,
    private readonly failed: FailedTokens,
    { tokens }: Config,
  ) {
    this.passport = new (AuthGuard(tokens.keys.source))();
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.reflector.getAllAndOverride<boolean>(PUBLIC, [context.getHandler(), context.getClass()]))
      return true;
    const request = context.switchToHttp().getRequest<Request>();
    const { authorization } = request.headers;
    if (Object.assign(request, { user: this.verified.find(authorization) }).user) return true;
    try {
      if (!isBearer(authorization)) throw new Unauthorized();
      await this.passport.canActivate(context);
      this.verified.keep(authorization, request.user as User);
      return true;
    } catch (cause) {
      if (cause instanceof AppError) throw cause;
      if (authorization !== undefined) await this.failed.count(request.address);
      throw new Unauthorized(cause);
    }
  }
}

/** RFC 6750, 2.1 to the letter: passport-jwt takes the first of several tokens. */
function isBearer(authorization = ''): boolean {
  return authorization.length <= MAX_CHARS && /^bearer +[\w.~+/-]+=*$/i.test(authorization);
}
