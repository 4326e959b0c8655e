import { Controller, Headers, Param, Sse, type MessageEvent } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import {
  concatMap,
  from,
  interval,
  last,
  map,
  merge,
  share,
  takeUntil,
  takeWhile,
  type Observable,
} from 'rxjs';
import { Unauthorized } from '../auth/auth.errors.js';
import { CurrentUser } from '../auth/bearer.guard.js';
import type { User } from '../auth/claims.js';
import { ApiProblems } from '../errors/api-problems.js';
import { ServiceUnavailable } from '../errors/app-error.js';
import { TooManyRequests } from '../errors/too-many-requests.js';
import { FileUrl } from '../media/library/file-url.pipe.js';
import type { FileUrlOf } from '../media/library/file-urls.js';
import { toMediaDto } from '../media/library/media.dto.js';
import { MediaService } from '../media/library/media.service.js';
import { alive } from '../media/uploads/sessions/upload-sessions.js';
import { UploadStore } from '../media/uploads/sessions/upload-store.js';
import { uploadCancelled, uploadExpired, uploadNotFound } from '../media/uploads/upload.errors.js';
import { Progress, type Standing } from './progress.js';

/** Proxies close idle connections. */
const HEARTBEAT_MS = 15_000;

interface Message extends MessageEvent {
  readonly id: string;
  readonly isLast: boolean;
}

@ApiTags('Uploads')
@ApiProblems(new Unauthorized(), new ServiceUnavailable())
@Controller('api/v2/media/upload')
export class ProgressController {
  constructor(
    private readonly progress: Progress,
    private readonly store: UploadStore,
    private readonly media: MediaService,
  ) {}

  @Sse(':upload_id/events')
  @ApiOperation({
    operationId: 'watchUpload',
    summary: 'Watch an upload',
    description:
      'Server-sent events, whichever server the chunks go to: `offset` (with `offset` and `total`), `completing` ' +
      '(all bytes are there), `complete` and `thumbnail` (each with the media item), `rejected` (with `code` and ' +
      '`detail`), `cancelled`, `expired`. The stream ends when nothing more can happen, or its server stops. With ' +
      '`Last-Event-ID` it continues after that event. The offset is for progress bars: before you resume, get the upload.',
  })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'The id of the last event received' })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ content: { 'text/event-stream': { schema: { type: 'string' } } } })
  @ApiProblems(uploadNotFound(), uploadExpired(), uploadCancelled(), new TooManyRequests())
  async watch(
    @CurrentUser() user: User,
    @Param('upload_id') id: string,
    @Headers('last-event-id') lastId: string | undefined,
    @FileUrl() urlOf: FileUrlOf,
  ): Promise<Observable<MessageEvent>> {
    const session = await this.store.find(user.id, id);
    if (session?.state !== 'rejected') alive(session);
    let known = lastId;
    const told = this.progress.watch(user.id, id).pipe(
      concatMap((standing) => this.messages(user.id, standing, urlOf)),
      concatMap((messages) => {
        const fresh = messages.slice(messages.findIndex((message) => message.id === known) + 1);
        known = messages.at(-1)?.id;
        return from(fresh.length > 0 ? fresh : messages.slice(-1).map(withoutData));
      }),
      takeWhile(({ isLast }) => !isLast, true),
      map(({ isLast: _, ...message }) => message),
      share(),
    );
    const beats = interval(HEARTBEAT_MS).pipe(map(() => ({ comment: 'still here' })));
    return merge(told, beats.pipe(takeUntil(told.pipe(last(null, null)))));
  }

  private async messages(owner: string, standing: Standing, urlOf: FileUrlOf): Promise<Message[]> {
    const { state, offset, total, mediaId, rejection, thumbnail } = standing;
    if (state === 'open') {
      const data = { offset: String(offset), total: String(total) };
      const type = offset < total ? 'offset' : 'completing';
      return [{ type, id: `${type}-${offset}`, data, isLast: false }];
    }
    if (mediaId === null) return [{ type: state, id: state, data: rejection ?? {}, isLast: true }];
    const data = toMediaDto(await this.media.get(owner, mediaId), urlOf);
    const complete = { type: 'complete', id: 'complete', data, isLast: thumbnail === null };
    if (thumbnail !== 'made') return [complete];
    return [complete, { type: 'thumbnail', id: 'thumbnail', data, isLast: true }];
  }
}

/** For a client that knows the state already: ends the stream if nothing more can follow. */
function withoutData({ id, isLast }: Message): Message {
  return { id, isLast, comment: 'as before' };
}
