import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';

/**
 * Hands the request to a pipe, which makes the parameter of it: pipes are what can be asynchronous, take injected
 * settings and run after the guard. `const Fields = () => WholeRequest(FieldsPipe)`.
 */
export const WholeRequest = createParamDecorator((_: unknown, context: ExecutionContext) =>
  context.switchToHttp().getRequest<Request>(),
);
