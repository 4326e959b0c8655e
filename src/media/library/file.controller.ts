import { Controller, Get, Param, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiParam, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '../../auth/bearer.guard.js';
import { ApiProblems } from '../../errors/api-problems.js';
import { FileStore } from '../../storage/file-store.js';
import { fileHeaders } from './file-headers.js';
import { FileNotFound } from './media.errors.js';
import { MediaService } from './media.service.js';
import { sendFile } from './send-file.js';

@ApiTags('Files')
@Controller('files')
export class FileController {
  constructor(
    private readonly media: MediaService,
    private readonly store: FileStore,
  ) {}

  /** The bytes, for whoever has the URL that a Media gives. Ranges and conditional requests as in RFC 9110. */
  @Get(':name')
  @Public()
  @ApiOperation({ operationId: 'getFile', summary: 'The bytes of a file' })
  @ApiParam({ name: 'name', example: '3f786850e387550fdab836ed7e6dc881.png' })
  @ApiHeader({ name: 'Range', required: false, example: 'bytes=0-1023' })
  @ApiProduces('application/octet-stream')
  @ApiResponse({ status: 200, description: 'The whole file' })
  @ApiResponse({ status: 206, description: 'The range asked for' })
  @ApiResponse({ status: 304, description: 'The copy that the client has is right' })
  @ApiResponse({ status: 416, description: 'The range lies outside the file' })
  @ApiProblems(new FileNotFound())
  async get(@Param('name') name: string, @Res() response: Response): Promise<void> {
    const media = await this.media.getByFileName(name);
    await sendFile(response, this.store.filePath(media.key), fileHeaders(media));
  }
}
