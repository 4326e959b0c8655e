import { ApiProperty } from '@nestjs/swagger';
import type { Action } from './app-error.js';

const ACTIONS: readonly Action[] = [
  'resend-chunk',
  'resume-from-offset',
  'restart',
  'wait',
  'refresh-token',
  'fix-request',
  'give-up',
];

/** An error answer (RFC 9457). Some codes add members of their own, such as `offset`. */
export class ProblemDto {
  /** @example "https://iana.org/assignments/http-problem-types#mismatching-upload-offset" */
  type!: string;
  /** @example "Conflict" */
  title!: string;
  /** @example 409 */
  status!: number;
  /**
   * Stable, for programs.
   * @example "mismatching-upload-offset"
   */
  code!: string;
  /**
   * For people.
   * @example "Offsets do not match"
   */
  detail!: string;
  /** What to do next. */
  @ApiProperty({ enum: ACTIONS })
  action!: Action;
  /** Names this answer in the server's log. */
  request_id!: string;
  /** One entry per fault; those of a field are `{"field", "messages": [{"message", "code"}]}`. */
  @ApiProperty({ type: 'array', items: { type: 'object' } })
  errors!: object[];
  /**
   * Where the upload stands, for the codes that tell it.
   * @example "409600"
   */
  offset?: string;
}
