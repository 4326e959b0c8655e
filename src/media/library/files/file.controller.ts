import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import {
  ApiHeader,
  ApiOperation,
  ApiParam,
  ApiProduces,
  ApiQuery,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '../../../auth/bearer.guard.js';
import { ApiProblems } from '../../../errors/api-problems.js';
import { ServiceUnavailable } from '../../../errors/app-error.js';
import type { SignedQuery } from '../file-urls.js';
import {
  ExpiredUrl,
  FileNotFound,
  InvalidSignature,
  PreconditionFailed,
  RangeNotSatisfiable,
} from '../media.errors.js';
import { Downloads } from './downloads.js';

@ApiTags('Files')
@Controller('files')
export class FileController {
  constructor(private readonly downloads: Downloads) {}

  @Get(':name')
  @Public()
  @ApiOperation({
    operationId: 'getFile',
    summary: 'Download a file',
    description:
      'Anybody who has the URL from a media item can get the file. Supports conditional requests and ' +
      'single ranges (RFC 9110); a request for several ranges gets the whole file. With ' +
      '`MEDIA_URLS=signed`, URLs expire.',
  })
  @ApiParam({ name: 'name', example: '3f786850e387550fdab836ed7e6dc881.png' })
  @ApiHeader({ name: 'Range', required: false, example: 'bytes=0-1023' })
  @ApiQuery({
    name: 'expires',
    required: false,
    schema: { type: 'integer' },
    description: 'When a signed URL expires, in seconds since 1970',
  })
  @ApiQuery({
    name: 'signature',
    required: false,
    schema: { type: 'string' },
    description: 'The signature of a signed URL',
  })
  @ApiProduces('application/octet-stream')
  @ApiResponse({ status: 200, description: 'The whole file' })
  @ApiResponse({ status: 206, description: 'The requested range' })
  @ApiResponse({ status: 304, description: 'The copy of the client is current' })
  @ApiProblems(
    new FileNotFound(),
    new InvalidSignature(),
    new ExpiredUrl(),
    new PreconditionFailed(),
    new RangeNotSatisfiable('bytes */2124437'),
    new ServiceUnavailable(),
  )
  async get(
    @Param('name') name: string,
    @Query() query: SignedQuery,
    @Res() response: Response,
  ): Promise<void> {
    await this.downloads.send('files', name, query, response);
  }
}
