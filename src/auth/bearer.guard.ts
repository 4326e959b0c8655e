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
import { Audit, type Caller } from '../audit/audit.js';
import { AppError } from '../errors/app-error.js';
import { Config } from '../config/config.js';
import { TokenTooLarge, Unauthorized } from './auth.errors.js';
import type { User } from './claims.js';
import { FailedTokens } from './failed-tokens.js';
import { VerifiedTokens } from './verified-tokens.js';

/**
 * Maximum size of the Authorization header, which is ASCII. A token that lists 200 groups has 10,000 bytes. Node reads
 * up to 16 KiB of headers, and the others need some room.
 */
const MAX_BYTES = 12_288;

const ACCESS = 'auth:access';
type Access = 'public' | 'recognising' | undefined;

/** Makes a route public. All others need a bearer token. */
export const Public = () => applyDecorators(SetMetadata(ACCESS, 'public' satisfies Access), ApiSecurity({}));

/** Like `Public`, but `@Visitor()` has the user if the token is valid. An invalid token is ignored. */
export const Recognising = () =>
  applyDecorators(
    SetMetadata(ACCESS, 'recognising' satisfies Access),
    ApiSecurity({}),
    ApiSecurity('bearer'),
  );

/** The user of the request's token, if there is one. Only for routes that are `@Recognising()`. */
export const Visitor = createParamDecorator(
  (_: unknown, context: ExecutionContext): User | undefined =>
    context.switchToHttp().getRequest<Request>().user as User | undefined,
);

/** The user of the request's token. Only for routes that need one. */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext): User => {
  const { user } = context.switchToHttp().getRequest<Request>();
  if (!user) throw new Unauthorized();
  return user as User;
});

/** The user of the request's token and where the request comes from. Only for routes that need a token. */
export const CurrentCaller = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const { user, address, id: requestId } = context.switchToHttp().getRequest<Request>();
  if (!user) throw new Unauthorized();
  return { id: (user as User).id, address, requestId };
});

/** The only guard of the app. Verifies the bearer token before the body is read. */
@Injectable()
export class BearerGuard implements CanActivate {
  private readonly passport: CanActivate;

  constructor(
    private readonly reflector: Reflector,
    private readonly verified: VerifiedTokens,
    private readonly failed: FailedTokens,
    private readonly audit: Audit,
    { tokens }: Config,
  ) {
    this.passport = new (AuthGuard(tokens.keys.source))();
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const routes = [context.getHandler(), context.getClass()];
    const access = this.reflector.getAllAndOverride<Access>(ACCESS, routes);
    if (access === 'public') return true;
    try {
      await this.identify(context);
    } catch (error) {
      if (access !== 'recognising') throw error;
    }
    return true;
  }

  private async identify(context: ExecutionContext): Promise<void> {
    const request = context.switchToHttp().getRequest<Request>();
    const { authorization } = request.headers;
    if (Object.assign(request, { user: this.verified.find(authorization) }).user) return;
    if (authorization && authorization.length > MAX_BYTES) throw new TokenTooLarge(MAX_BYTES);
    try {
      if (!isBearer(authorization)) throw new Unauthorized();
      await this.passport.canActivate(context);
      this.verified.keep(authorization, request.user as User);
    } catch (cause) {
      if (cause instanceof AppError) throw cause;
      if (authorization !== undefined) await this.countFailure(request);
      throw new Unauthorized(cause);
    }
  }

  private async countFailure({ address, id: requestId }: Request): Promise<void> {
    try {
      await this.failed.count(address);
    } catch (error) {
      if (error instanceof AppError)
        this.audit.record('upload.limited', { address, requestId }, { reason: error.code });
      throw error;
    }
  }
}

/** Strict RFC 6750, 2.1. passport-jwt would accept the first of several tokens. */
function isBearer(authorization = ''): boolean {
  return /^bearer +[\w.~+/-]+=*$/i.test(authorization);
}
