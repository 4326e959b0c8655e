import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '../../../auth/bearer.guard.js';
import type { SignedQuery } from '../file-urls.js';
import { ApiDownload } from './api-download.js';
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
  @ApiProduces('application/octet-stream')
  @ApiDownload()
  async get(
    @Param('name') name: string,
    @Query() query: SignedQuery,
    @Res() response: Response,
  ): Promise<void> {
    await this.downloads.send('files', name, query, response);
  }
}
