import { ApiProperty } from '@nestjs/swagger';
import { AppError } from '../errors/app-error.js';

export type Checks = Readonly<Record<string, { readonly status: 'up' | 'down' }>>;

export class HealthDto {
  @ApiProperty({ enum: ['ok'], example: 'ok' })
  readonly status!: 'ok';

  /** What was looked at, by name. */
  @ApiProperty({
    type: 'object',
    additionalProperties: {
      type: 'object',
      required: ['status'],
      properties: { status: { type: 'string', enum: ['up', 'down'] } },
    },
    example: { running: { status: 'up' }, database: { status: 'up' } },
  })
  readonly details!: Checks;
}

/** Something that uploads need is not there; `checks` says what. */
export class NotReady extends AppError {
  constructor(checks: Checks) {
    super('service-unavailable', 503, 'The server cannot answer at the moment', {
      action: 'wait',
      headers: { 'Retry-After': '1' },
      members: { checks },
    });
  }
}
