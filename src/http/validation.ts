import { ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { InvalidFields } from '../errors/app-error.js';

/** Validates a query or a body against its DTO. Drops unknown members, and names invalid ones. */
export const validation = new ValidationPipe({
  transform: true,
  whitelist: true,
  exceptionFactory: (errors) => new InvalidFields(errors.map(toProblem)),
});

function toProblem({ property, constraints }: ValidationError) {
  return { field: property, messages: Object.values(constraints ?? { invalid: `${property} is invalid` }) };
}
