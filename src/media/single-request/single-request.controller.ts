import { Controller, Post, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import type { Caller } from '../../audit/audit.js';
import { Unauthorized } from '../../auth/auth.errors.js';
import { CurrentCaller } from '../../auth/bearer.guard.js';
import { BodyTooLarge } from '../../body/body.errors.js';
import { Config } from '../../config/config.js';
import { ApiProblems } from '../../errors/api-problems.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { TooManyRequests } from '../../errors/too-many-requests.js';
import { ClientSignal } from '../../http/client-signal.js';
import { StorageFull } from '../../storage/storage.errors.js';
import { REFUSALS } from '../content/content.errors.js';
import { FileUrl } from '../library/file-url.pipe.js';
import type { FileUrlOf } from '../library/file-urls.js';
import { MediaDto, toMediaDto } from '../library/media.dto.js';
import { created } from '../uploads/upload.controller.js';
import * as refused from '../uploads/upload.errors.js';
import { WholeFileDto } from './single-request.dto.js';
import { SingleRequestService } from './single-request.service.js';
import { WholeFile, type IncomingFile } from './whole-file.pipe.js';

@ApiTags('Uploads')
@ApiProblems(new Unauthorized(), new ServiceUnavailable())
@Controller('api/v2/media')
export class SingleRequestController {
  constructor(
    private readonly service: SingleRequestService,
    private readonly config: Config,
  ) {}

  @Post()
  @ApiOperation({
    operationId: 'uploadFile',
    summary: 'Upload a small file in one request',
    description:
      'For scripts and experiments: files of up to 5 MiB by default, without resuming. ' +
      'With an Idempotency-Key, a retry returns the same media item.',
  })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'The same for every retry' })
  @ApiConsumes('multipart/form-data')
  @ApiBody({ type: WholeFileDto })
  @ApiCreatedResponse({ type: MediaDto, description: 'The media item has been created' })
  @ApiOkResponse({ type: MediaDto, description: 'The media item exists already: a retry' })
  @ApiProblems(
    refused.missingChunk(),
    refused.chunkConflict(409_600),
    refused.checksumMismatch(0),
    new BodyTooLarge(5_308_416, false, 'Upload a larger file in chunks'),
    refused.chunkTooLarge(5_242_880, 'Upload a larger file in chunks'),
    ...REFUSALS,
    new TooManyRequests(),
    refused.tooManyUploads(100),
    refused.rateExceeded('uploads-per-hour', 60),
    refused.storedQuotaExceeded(10_737_418_240),
    new StorageFull(),
  )
  async upload(
    @CurrentCaller() caller: Caller,
    @WholeFile() file: IncomingFile,
    @FileUrl() urlOf: FileUrlOf,
    @ClientSignal() client: AbortSignal,
    @Res({ passthrough: true }) response: Response,
  ): Promise<MediaDto> {
    const completion = await this.service.upload(caller, file, client);
    return toMediaDto(created(response, completion, this.config.publicPath), urlOf);
  }
}
