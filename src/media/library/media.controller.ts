import { Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Caller } from '../../audit/audit.js';
import { CurrentCaller, CurrentUser, Recognising, Visitor } from '../../auth/bearer.guard.js';
import { Unauthorized } from '../../auth/auth.errors.js';
import type { User } from '../../auth/claims.js';
import { Fields } from '../../body/fields.pipe.js';
import { ApiProblems } from '../../errors/api-problems.js';
import { InvalidRequest, ServiceUnavailable } from '../../errors/app-error.js';
import { TooManyRequests } from '../../errors/too-many-requests.js';
import { validation } from '../../http/validation.js';
import { PublicUrl } from '../public-url.pipe.js';
import { Clicks } from './clicks.js';
import { FileUrl } from './file-url.pipe.js';
import type { FileUrlOf } from './file-urls.js';
import { MediaNotFound, SearchTooSlow } from './media.errors.js';
import {
  MediaChangesDto,
  MediaDto,
  MediaPageDto,
  MediaQueryDto,
  toMediaDto,
  toMediaPageDto,
  toReplacement,
} from './media.dto.js';
import { MediaIdPipe } from './media-id.pipe.js';
import { MediaService } from './media.service.js';

const ID = { name: 'id', schema: { type: 'integer' }, example: 1 } as const;
const FORMS = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'];
const TOO_LONG = new InvalidRequest(
  'title',
  'title must have at most 255 characters, none of them a control character',
);

@ApiTags('Media')
@ApiProblems(new ServiceUnavailable())
@Controller('api/v2/media')
export class MediaController {
  constructor(
    private readonly media: MediaService,
    private readonly clicks: Clicks,
  ) {}

  @Get()
  @ApiOperation({
    operationId: 'listMedia',
    summary: 'List media',
    description: 'Your finished files, newest first.',
  })
  @ApiOkResponse({ type: MediaPageDto })
  @ApiProblems(
    new InvalidRequest('limit', 'limit must not be greater than 100'),
    new SearchTooSlow(),
    new Unauthorized(),
    new TooManyRequests(),
  )
  async list(
    @CurrentUser() user: User,
    @Query(validation) query: MediaQueryDto,
    @PublicUrl() publicUrl: string,
    @FileUrl() urlOf: FileUrlOf,
  ): Promise<MediaPageDto> {
    return toMediaPageDto(await this.media.page(user.id, query), query, `${publicUrl}/api/v2/media/`, urlOf);
  }

  @Get(':id')
  @ApiOperation({
    operationId: 'getMedia',
    summary: 'Get a media item',
    description: 'Only for its owner; the file itself is at the URL in the response.',
  })
  @ApiParam(ID)
  @ApiOkResponse({ type: MediaDto })
  @ApiProblems(new Unauthorized(), new MediaNotFound())
  async get(
    @CurrentUser() user: User,
    @Param('id', MediaIdPipe) id: number,
    @FileUrl() urlOf: FileUrlOf,
  ): Promise<MediaDto> {
    return toMediaDto(await this.media.get(user.id, id), urlOf);
  }

  @Put(':id')
  @ApiOperation({
    operationId: 'replaceMedia',
    summary: 'Replace title and description',
    description: 'Sets title and description; a missing field becomes null.',
  })
  @ApiParam(ID)
  @ApiConsumes(...FORMS)
  @ApiBody({ type: MediaChangesDto })
  @ApiOkResponse({ type: MediaDto })
  @ApiProblems(TOO_LONG, new Unauthorized(), new MediaNotFound())
  async replace(
    @CurrentUser() user: User,
    @Param('id', MediaIdPipe) id: number,
    @Fields() fields: MediaChangesDto,
    @FileUrl() urlOf: FileUrlOf,
  ): Promise<MediaDto> {
    return toMediaDto(await this.media.change(user.id, id, toReplacement(fields)), urlOf);
  }

  @Patch(':id')
  @ApiOperation({
    operationId: 'changeMedia',
    summary: 'Change title or description',
    description: 'Fields that are missing from the body stay as they are.',
  })
  @ApiParam(ID)
  @ApiConsumes(...FORMS)
  @ApiBody({ type: MediaChangesDto })
  @ApiOkResponse({ type: MediaDto })
  @ApiProblems(TOO_LONG, new Unauthorized(), new MediaNotFound())
  async change(
    @CurrentUser() user: User,
    @Param('id', MediaIdPipe) id: number,
    @Fields() fields: MediaChangesDto,
    @FileUrl() urlOf: FileUrlOf,
  ): Promise<MediaDto> {
    return toMediaDto(await this.media.change(user.id, id, fields), urlOf);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'deleteMedia',
    summary: 'Delete a media item and its file',
    description: 'Only for its owner. Removes the media item, its file and its thumbnail.',
  })
  @ApiParam(ID)
  @ApiNoContentResponse()
  @ApiProblems(new Unauthorized(), new MediaNotFound())
  async delete(@CurrentCaller() caller: Caller, @Param('id', MediaIdPipe) id: number): Promise<void> {
    await this.media.delete(caller, id);
  }

  @Post(':id/click')
  @Recognising()
  @HttpCode(204)
  @ApiOperation({
    operationId: 'clickMedia',
    summary: 'Count a click',
    description:
      'Works for everybody, whoever owns the media item. A valid token also records the user; an invalid ' +
      'one is ignored.',
  })
  @ApiParam(ID)
  @ApiNoContentResponse()
  @ApiProblems(new MediaNotFound())
  async click(@Visitor() visitor: User | undefined, @Param('id', MediaIdPipe) id: number): Promise<void> {
    await this.clicks.add(id, visitor?.id);
  }
}
