import { Controller, Delete, Get, HttpCode, Param } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentUser } from '../../auth/bearer.guard.js';
import { Unauthorized } from '../../auth/auth.errors.js';
import type { User } from '../../auth/claims.js';
import { ApiProblems } from '../../errors/api-problems.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { PublicUrl } from '../public-url.pipe.js';
import { MediaNotFound } from './media.errors.js';
import { MediaDto, toMediaDto } from './media.dto.js';
import { MediaIdPipe } from './media-id.pipe.js';
import { MediaService } from './media.service.js';

@ApiTags('Media')
@ApiProblems(new Unauthorized(), new MediaNotFound(), new ServiceUnavailable())
@ApiParam({ name: 'id', schema: { type: 'integer' }, example: 1 })
@Controller('api/v2/media')
export class MediaController {
  constructor(private readonly media: MediaService) {}

  @Get(':id')
  @ApiOperation({ operationId: 'getMedia', summary: 'A finished file of mine' })
  @ApiOkResponse({ type: MediaDto })
  async get(@CurrentUser() user: User, @Param('id', MediaIdPipe) id: number, @PublicUrl() publicUrl: string) {
    return toMediaDto(await this.media.get(user.id, id), publicUrl);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteMedia', summary: 'Delete a file and its Media' })
  @ApiNoContentResponse()
  async delete(@CurrentUser() user: User, @Param('id', MediaIdPipe) id: number): Promise<void> {
    await this.media.delete(user.id, id);
  }
}
