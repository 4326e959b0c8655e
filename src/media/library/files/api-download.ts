import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiQuery, ApiResponse } from '@nestjs/swagger';
import { ApiProblems } from '../../../errors/api-problems.js';
import { ServiceUnavailable } from '../../../errors/app-error.js';
import {
  ExpiredUrl,
  FileNotFound,
  InvalidSignature,
  PreconditionFailed,
  RangeNotSatisfiable,
} from '../media.errors.js';

/** Documents what all downloads have: ranges, conditions and signed URLs. */
export const ApiDownload = (): MethodDecorator =>
  applyDecorators(
    ApiHeader({ name: 'Range', required: false, example: 'bytes=0-1023' }),
    ApiQuery({
      name: 'expires',
      required: false,
      schema: { type: 'integer' },
      description: 'When a signed URL expires, in seconds since 1970',
    }),
    ApiQuery({
      name: 'signature',
      required: false,
      schema: { type: 'string' },
      description: 'The signature of a signed URL',
    }),
    ApiResponse({ status: 200, description: 'The whole file' }),
    ApiResponse({ status: 206, description: 'The requested range' }),
    ApiResponse({ status: 304, description: 'The copy of the client is current' }),
    ApiProblems(
      new FileNotFound(),
      new InvalidSignature(),
      new ExpiredUrl(),
      new PreconditionFailed(),
      new RangeNotSatisfiable('bytes */2124437'),
      new ServiceUnavailable(),
    ),
  );
