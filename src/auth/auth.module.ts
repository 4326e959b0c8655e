import { Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Audit } from '../audit/audit.js';
import { Config } from '../config/config.js';
import { BearerGuard } from './bearer.guard.js';
import { DevTokenController } from './dev-token.controller.js';
import { FailedTokens } from './failed-tokens.js';
import { JwksStrategy } from './jwks.strategy.js';
import { SecretStrategy } from './secret.strategy.js';
import { VerifiedTokens } from './verified-tokens.js';

@Module({})
export class AuthModule {
  static with({ tokens, isDemo }: Config): DynamicModule {
    return {
      module: AuthModule,
      controllers: isDemo ? [DevTokenController] : [],
      global: true,
      providers: [
        Audit,
        FailedTokens,
        VerifiedTokens,
        tokens.keys.source === 'secret' ? SecretStrategy : JwksStrategy,
        { provide: APP_GUARD, useClass: BearerGuard },
      ],
      exports: [Audit, VerifiedTokens],
    };
  }
}
