import { ApiProperty } from '@nestjs/swagger';
import { ServiceUnavailable } from '../errors/app-error.js';

export type Checks = Readonly<Record<string, { readonly status: 'up' | 'down' }>>;

export class HealthDto {
  @ApiProperty({ enum: ['ok'], example: 'ok' })
  readonly status!: 'ok';

  /** The checks, by name. */
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

/** Something that uploads need is unavailable; `checks` says what. */
export class NotReady extends ServiceUnavailable {
  constructor(checks: Checks) {
    super(undefined, undefined, { checks });
  }
}
