import { All, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiExcludeEndpoint,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import type { Caller } from '../../audit/audit.js';
import { Unauthorized } from '../../auth/auth.errors.js';
import { CurrentCaller, CurrentUser } from '../../auth/bearer.guard.js';
import type { User } from '../../auth/claims.js';
import { Config } from '../../config/config.js';
import { Fields } from '../../body/fields.pipe.js';
import { ApiProblems } from '../../errors/api-problems.js';
import { InvalidRequest, ServiceUnavailable } from '../../errors/app-error.js';
import { MethodNotAllowed } from '../../errors/method-not-allowed.js';
import { TooManyRequests } from '../../errors/too-many-requests.js';
import { ClientSignal } from '../../http/client-signal.js';
import { validation } from '../../http/validation.js';
import { StorageFull } from '../../storage/storage.errors.js';
import { NotAnImage, REFUSALS, UnsupportedContent, UploadTooLarge } from '../content/content.errors.js';
import { FileUrl } from '../library/file-url.pipe.js';
import type { FileUrlOf } from '../library/file-urls.js';
import { MediaDto, toMediaDto } from '../library/media.dto.js';
import type { Media } from '../library/media.entity.js';
import { PageQueryDto } from '../page.dto.js';
import { PublicUrl } from '../public-url.pipe.js';
import { ChunkRequest } from './chunks/chunk.pipe.js';
import type { Chunk, ChunkQuery, Receipt } from './chunks/chunk-request.js';
import { CompletionService, type Completion } from './completion.service.js';
import * as dto from './upload.dto.js';
import * as refused from './upload.errors.js';
import type { UploadSession } from './sessions/upload-session.entity.js';
import { UploadStore } from './sessions/upload-store.js';
import { UploadService } from './upload.service.js';

const ENDED = [refused.uploadExpired(), refused.uploadCancelled(), refused.uploadRejected(null)];

@ApiTags('Uploads')
@ApiProblems(new Unauthorized(), new ServiceUnavailable())
@Controller('api/v2/media/upload')
export class UploadController {
  constructor(
    private readonly uploads: UploadService,
    private readonly completions: CompletionService,
    private readonly store: UploadStore,
    private readonly config: Config,
  ) {}

  @Post('chunk')
  @ApiOperation({
    operationId: 'uploadChunk',
    summary: 'Upload a chunk',
    description:
      'The first call opens an upload and returns its `upload_id`. Every further call appends one chunk; ' +
      'send them one after another. A 201 means that the bytes are on disk. Retries are detected, and ' +
      'answered with the current offset. A request without Content-Range and upload_id uploads a whole, ' +
      'small file. `Content-Range: bytes */total` with an upload_id and without a file returns the ' +
      'offset. A body that is not multipart is the chunk itself, with `upload_id` in the query.',
  })
  @ApiHeader({
    name: 'Content-Range',
    required: false,
    description:
      'The range of the chunk, end inclusive: `bytes 0-204799/2124437`. Empty: the part is the whole file',
  })
  @ApiConsumes('multipart/form-data')
  @ApiBody({ type: dto.ChunkFormDto })
  @ApiCreatedResponse({ type: dto.ChunkMediaDto, description: 'The chunk is stored' })
  @ApiOkResponse({
    type: dto.ChunkMediaDto,
    description: 'The current offset, if the request only asks for it',
  })
  @ApiProblems(
    refused.malformedContentRange(),
    refused.missingContentRange(),
    refused.missingChunk(),
    refused.chunkLengthMismatch(204_800, 204_799),
    refused.inconsistentLength(2_124_437),
    refused.uploadNotFound(),
    refused.offsetMismatch(409_600),
    refused.chunkConflict(409_600),
    refused.uploadComplete(1),
    ...ENDED,
    refused.chunkTooLarge(204_800, 'Send a larger file in chunks'),
    refused.chunksTooSmall(4096),
    new UploadTooLarge('image', 5_242_880),
    new UnsupportedContent('image/svg+xml', { declared: 'image/png' }),
    refused.unsupportedChunkBody('application/json'),
    refused.tooManyUploads(100),
    refused.rateExceeded('uploads-per-hour', 60),
    refused.reservedQuotaExceeded(1_073_741_824),
    refused.storedQuotaExceeded(10_737_418_240),
    new StorageFull(),
    new TooManyRequests(),
  )
  async append(
    @CurrentCaller() caller: Caller,
    @ChunkRequest() chunk: Chunk | ChunkQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<dto.ChunkMediaDto> {
    const receipt = await this.uploads.receive(caller, chunk);
    return dto.toChunkMediaDto(announce(response, receipt, this.config.publicPath));
  }

  @Post('complete')
  @ApiOperation({
    operationId: 'completeUpload',
    summary: 'Complete an upload',
    description: 'Idempotent: after a lost response or a crash, a retry returns the same media item.',
  })
  @ApiConsumes('application/json', 'application/x-www-form-urlencoded', 'multipart/form-data')
  @ApiBody({ type: dto.CompletionDto })
  @ApiCreatedResponse({ type: MediaDto, description: 'The media item has been created' })
  @ApiOkResponse({ type: MediaDto, description: 'The media item exists already: a retry' })
  @ApiProblems(
    refused.uploadNotFound(),
    refused.uploadIncomplete(409_600),
    refused.checksumMismatch(2_124_437),
    new NotAnImage('application/pdf'),
    ...ENDED,
    ...REFUSALS,
    new StorageFull(),
    new TooManyRequests(),
  )
  async complete(
    @CurrentCaller() caller: Caller,
    @Fields() fields: dto.CompletionDto,
    @FileUrl() urlOf: FileUrlOf,
    @ClientSignal() client: AbortSignal,
    @Res({ passthrough: true }) response: Response,
  ): Promise<MediaDto> {
    const completion = await this.completions.complete(caller, dto.toCompletionRequest(fields), client);
    return toMediaDto(created(response, completion, this.config.publicPath), urlOf);
  }

  /** Without this, other methods on these URLs would look for uploads with the ids "chunk" and "complete". */
  @All(['chunk', 'complete'])
  @ApiExcludeEndpoint()
  refuse(): never {
    throw new MethodNotAllowed(['POST']);
  }

  @Get()
  @ApiOperation({
    operationId: 'listUploads',
    summary: 'List open uploads',
    description: 'Your open uploads, newest first, so that another device can resume one.',
  })
  @ApiOkResponse({ type: dto.UploadPageDto })
  @ApiProblems(new InvalidRequest('limit', 'limit must not be greater than 100'), new TooManyRequests())
  async list(
    @CurrentUser() user: User,
    @Query(validation) page: PageQueryDto,
    @PublicUrl() publicUrl: string,
  ): Promise<dto.UploadPageDto> {
    const sessions = await this.store.page(user.id, page);
    return dto.toUploadPageDto(sessions, page, `${publicUrl}/api/v2/media/upload/`);
  }

  @Get(':upload_id')
  @ApiOperation({
    operationId: 'getUpload',
    summary: 'Get the state of an upload',
    description: 'HEAD returns the same in headers: `Upload-Offset` and `Upload-Length`.',
  })
  @ApiOkResponse({ type: dto.UploadDto })
  @ApiProblems(refused.uploadNotFound(), refused.uploadExpired(), refused.uploadCancelled())
  async status(
    @CurrentUser() user: User,
    @Param('upload_id') id: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<dto.UploadDto> {
    return dto.toUploadDto(describe(response, await this.uploads.status(user.id, id)));
  }

  @Delete(':upload_id')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'cancelUpload',
    summary: 'Cancel an upload',
    description: 'Ends an upload and removes its bytes. Idempotent.',
  })
  @ApiNoContentResponse()
  @ApiProblems(refused.uploadNotFound(), refused.uploadComplete(1))
  async cancel(@CurrentCaller() caller: Caller, @Param('upload_id') id: string): Promise<void> {
    await this.uploads.cancel(caller, id);
  }
}

function announce(response: Response, receipt: Receipt, prefix: string): Receipt {
  response.status(dto.receiptStatus(receipt)).set(dto.receiptHeaders(receipt, prefix));
  return receipt;
}

export function created(response: Response, { media, created }: Completion, prefix: string): Media {
  response.status(created ? 201 : 200).set('Location', `${prefix}/api/v2/media/${media.id}/`);
  return media;
}

function describe(response: Response, session: UploadSession): UploadSession {
  response.set({
    'Upload-Offset': String(session.offset),
    'Upload-Length': String(session.total),
  });
  return session;
}
