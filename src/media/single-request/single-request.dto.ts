import { ApiProperty } from '@nestjs/swagger';

/** Documents the form of a whole file. */
export class WholeFileDto {
  /** The file. The part may also be called `document` or `file`, whatever the file is */
  @ApiProperty({ type: 'string', format: 'binary' })
  image!: string;

  /**
   * MD5 of the file; 32 hex digits. If it is present, it must be right
   * @example ""
   */
  md5?: string;
}
