import { ApiProperty } from '@nestjs/swagger';
import { ACTIONS, type Action } from './app-error.js';

/** An error (RFC 9457). Some codes add members, such as `offset`. */
export class ProblemDto {
  /** @example "https://iana.org/assignments/http-problem-types#mismatching-upload-offset" */
  type!: string;
  /** @example "Conflict" */
  title!: string;
  /** @example 409 */
  status!: number;
  /**
   * For programs; stable.
   * @example "mismatching-upload-offset"
   */
  code!: string;
  /**
   * For people.
   * @example "Offsets do not match"
   */
  detail!: string;
  /** What the client should do next. */
  @ApiProperty({ enum: ACTIONS })
  action!: Action;
  /** Identifies this response in the log of the server. */
  request_id!: string;
  /** One entry per error; those of a field are `{"field", "messages": [{"message", "code"}]}`. */
  @ApiProperty({ type: 'array', items: { type: 'object' } })
  errors!: object[];
  /**
   * The offset of the upload, for codes that need it.
   * @example "409600"
   */
  offset?: string;
}
