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

  /** My finished files, newest first. */
  @Get()
  @ApiOperation({ operationId: 'listMedia', summary: 'My finished files' })
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
  @ApiOperation({ operationId: 'getMedia', summary: 'A finished file of mine' })
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

  /** Title and description both become what the body says; the one that is missing becomes null. */
  @Put(':id')
  @ApiOperation({ operationId: 'replaceMedia', summary: 'Replace title and description' })
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

  /** What the body does not name stays as it is. */
  @Patch(':id')
  @ApiOperation({ operationId: 'changeMedia', summary: 'Change title or description' })
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
  @ApiOperation({ operationId: 'deleteMedia', summary: 'Delete a file and its Media' })
  @ApiParam(ID)
  @ApiNoContentResponse()
  @ApiProblems(new Unauthorized(), new MediaNotFound())
  async delete(@CurrentCaller() caller: Caller, @Param('id', MediaIdPipe) id: number): Promise<void> {
    await this.media.delete(caller, id);
  }

  /** For everybody, whosever the Media is. A token that is good counts the click for its user as well; no other matters. */
  @Post(':id/click')
  @Recognising()
  @HttpCode(204)
  @ApiOperation({ operationId: 'clickMedia', summary: 'Count a click' })
  @ApiParam(ID)
  @ApiNoContentResponse()
  async click(@Visitor() visitor: User | undefined, @Param('id', MediaIdPipe) id: number): Promise<void> {
    await this.clicks.add(id, visitor?.id);
  }
}
