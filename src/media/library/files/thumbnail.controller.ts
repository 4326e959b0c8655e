import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '../../../auth/bearer.guard.js';
import type { SignedQuery } from '../file-urls.js';
import { ApiDownload } from './api-download.js';
import { Downloads } from './downloads.js';

@ApiTags('Files')
@Controller('thumbnails')
export class ThumbnailController {
  constructor(private readonly downloads: Downloads) {}

  @Get(':name')
  @Public()
  @ApiOperation({
    operationId: 'getThumbnail',
    summary: 'Download a thumbnail',
    description: 'A small WebP of an image. Anybody who has the URL from a media item can get it.',
  })
  @ApiParam({ name: 'name', example: '89e6c98d92887913cadf06b2adb97f26.webp' })
  @ApiProduces('image/webp')
  @ApiDownload()
  async get(
    @Param('name') name: string,
    @Query() query: SignedQuery,
    @Res() response: Response,
  ): Promise<void> {
    await this.downloads.send('thumbnails', name, query, response);
  }
}
