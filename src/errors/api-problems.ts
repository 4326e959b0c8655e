import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import type { AppError } from './app-error.js';
import { ProblemDto } from './problem.dto.js';
import { toProblem, type Problem } from './problem.js';

/** Documents the errors of an operation in OpenAPI, with an example of each, grouped by status. */
export function ApiProblems(...errors: AppError[]): ClassDecorator & MethodDecorator {
  const byStatus = new Map<number, Problem[]>();
  for (const problem of errors.map((error) => toProblem(error, 'c0ffee'))) {
    byStatus.set(problem.status, [...(byStatus.get(problem.status) ?? []), problem]);
  }
  return applyDecorators(ApiExtraModels(ProblemDto), ...[...byStatus].map(response));
}

function response([status, problems]: [number, Problem[]]): MethodDecorator & ClassDecorator {
  return ApiResponse({
    status,
    description: problems.map(({ code }) => `\`${code}\``).join(', '),
    content: {
      'application/problem+json': {
        schema: { $ref: getSchemaPath(ProblemDto) },
        examples: Object.fromEntries(problems.map((value) => [value.code, { value }])),
      },
    },
  });
}
