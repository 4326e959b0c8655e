import { Transform } from 'class-transformer';
import { Matches } from 'class-validator';

export const USER_ID_RULE = 'user_id must be 1 to 64 letters, digits or . _ @ -';

export class DevTokenRequestDto {
  /**
   * The user to issue the token for, as a string or a number.
   * @example "7"
   */
  @Transform(({ value }: { value: unknown }) => (typeof value === 'number' ? String(value) : value))
  @Matches(/^[\w.@-]{1,64}$/, { message: USER_ID_RULE })
  user_id: string = '1';
}

export class DevTokenDto {
  /** Send it as `Authorization: Bearer <token>`. It is valid for a day. */
  token!: string;
  /** @example "7" */
  user_id!: string;
}
