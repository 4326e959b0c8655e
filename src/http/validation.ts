import { ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { InvalidFields } from '../errors/app-error.js';

/** Checks a query or a body against its DTO: unknown members are dropped, wrong ones named. */
export const validation = new ValidationPipe({
  transform: true,
  whitelist: true,
  exceptionFactory: (errors) => new InvalidFields(errors.map(toProblem)),
});

function toProblem({ property, constraints }: ValidationError) {
  return { field: property, messages: Object.values(constraints ?? { invalid: `${property} is invalid` }) };
}
