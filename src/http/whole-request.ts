import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';

/**
 * Passes the request to a pipe that produces the parameter. Pipes can be asynchronous, have injected settings, and run
 * after the guard. `const Fields = () => WholeRequest(FieldsPipe)`.
 */
export const WholeRequest = createParamDecorator((_: unknown, context: ExecutionContext) =>
  context.switchToHttp().getRequest<Request>(),
);
