import { Injectable, Logger } from '@nestjs/common';
import { Audit, type Caller } from '../../audit/audit.js';
import { JoinedJobs } from '../../concurrency/joined-jobs.js';
import { Config } from '../../config/config.js';
import { Database, type Queryable } from '../../database/database.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { TooManyRequests } from '../../errors/too-many-requests.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import { isRefusal } from '../content/content.errors.js';
import { Thumbnails } from '../images/thumbnails.js';
import type { Media, MediaType } from '../library/media.entity.js';
import { MediaService } from '../library/media.service.js';
import { cpuBounds, Publisher, type Publication } from './publisher.js';
import type { UploadSession } from './sessions/upload-session.entity.js';
import { alive, UploadSessions } from './sessions/upload-sessions.js';
import { UploadStore, type FoundSession } from './sessions/upload-store.js';
import { checksumMismatch, uploadIncomplete } from './upload.errors.js';

export interface CompletionRequest {
  readonly uploadId: string;
  /** 32 hex digits, lower case. */
  readonly md5: string;
  /** What the client says the file is; undefined leaves it to the bytes. */
  readonly claim: MediaType | undefined;
}

export interface Completion {
  readonly media: Media;
  /** False when an earlier request had completed the upload. */
  readonly created: boolean;
}

/** With CLAMD or WEBHOOK_BEFORE_COMPLETE: completions wait for those most of the time. */
const WAITING_BOUNDS = { slots: 32, slotsPerOwner: 8 };
/** Completions that may be under way or waiting. */
const BOUNDS = {
  most: 512,
  mostPerOwner: 128,
  refusal: () => new ServiceUnavailable('Too many uploads are being completed; try again'),
  refusalOfOwner: () => new TooManyRequests(),
};

/**
 * Turns an upload whose bytes are all there into a Media. Every step can be repeated: whatever a crash cut short, the next
 * request finishes, and finishes with the same Media.
 */
@Injectable()
export class CompletionService {
  private readonly logger = new Logger('Completion');
  private readonly jobs: JoinedJobs<Completion>;

  constructor(
    config: Config,
    private readonly db: Database,
    private readonly store: UploadStore,
    private readonly sessions: UploadSessions,
    private readonly publisher: Publisher,
    private readonly storage: BlobStorage,
    private readonly media: MediaService,
    private readonly thumbnails: Thumbnails,
    private readonly audit: Audit,
  ) {
    const { clamd, url } = config.admission;
    this.jobs = new JoinedJobs({ ...(clamd || url ? WAITING_BOUNDS : cpuBounds(config)), ...BOUNDS });
  }

  /** @param client aborted when the client has gone */
  async complete(caller: Caller, request: CompletionRequest, client: AbortSignal): Promise<Completion> {
    const { uploadId: subject, md5, claim } = request;
    const known = await this.answered(caller.id, request);
    if ('media' in known) return known;
    const key = { owner: caller.id, subject, request: `${md5} ${claim}` };
    let isFirst = false;
    const { media, created } = await this.jobs.run(key, client, (abandoned) => {
      isFirst = true;
      return this.attempt(caller, request, abandoned);
    });
    return { media, created: created && isFirst };
  }

  /** What the row alone can answer, or the session that is ready to be completed. */
  private async answered(
    ownerId: string,
    { uploadId, md5 }: CompletionRequest,
  ): Promise<Completion | FoundSession> {
    const session = alive(await this.store.find(ownerId, uploadId));
    const { mediaId, offset, total, digest } = session;
    if (mediaId !== null) return await this.repeat(session, mediaId, md5);
    if (offset < total) throw uploadIncomplete(offset);
    if (digest && digest.md5 !== md5) throw checksumMismatch(offset);
    return session;
  }

  private async attempt(
    caller: Caller,
    request: CompletionRequest,
    abandoned: AbortSignal,
  ): Promise<Completion> {
    // It may have waited for a job about the same upload.
    const session = await this.answered(caller.id, request);
    if ('media' in session) return session;
    try {
      return await this.finish(caller, session, await this.publisher.publish(session, request, abandoned));
    } catch (error) {
      // Content that is not accepted ends the session: no request could still make it a Media.
      if (isRefusal(error) && (await this.sessions.reject(session, error))) {
        this.audit.record('upload.rejected', caller, { upload: session.id, reason: error.code });
        throw error;
      }
      // Another request may have completed or ended the upload meanwhile, and its parts are gone.
      const { mediaId } = alive(await this.store.find(caller.id, request.uploadId));
      if (mediaId === null) throw error;
      return await this.repeat(session, mediaId, request.md5);
    }
  }

  private async finish(caller: Caller, session: FoundSession, publication: Publication): Promise<Completion> {
    const { id, ownerId, total } = session;
    const { mediaId, created } = await this.db.withTransaction((db) => this.add(db, session, publication));
    if (!created) await this.withdraw(publication);
    if (created) this.audit.record('upload.completed', caller, { upload: id, media: mediaId, bytes: total });
    // An altered upload keeps its parts until it would have expired: retries are compared with what the client sent.
    if (created && !publication.altered) await this.sessions.discard(id).catch(this.leave);
    return { media: await this.media.get(ownerId, mediaId), created };
  }

  /** Adds the Media and ends the session in the caller's transaction. If this throws, that is not committed. */
  private async add(db: Queryable, session: FoundSession, publication: Publication) {
    try {
      const { mediaId } = alive(await this.sessions.lock(db, session.ownerId, session.id));
      if (mediaId !== null) return { mediaId, created: false };
      const added = await this.media.create(db, { session, ...publication });
      await this.sessions.complete(db, session, added, publication.deadline);
      if (publication.type !== 'doc') await this.thumbnails.order(db, added);
      return { mediaId: added, created: true };
    } catch (error) {
      await this.withdraw(publication);
      throw error;
    }
  }

  /** Removes a file that no row will ever name. */
  private async withdraw({ key }: Publication): Promise<void> {
    await this.storage.discard('files', [key]).catch(this.leave);
  }

  private readonly leave = (err: unknown): void => this.logger.warn({ err }, 'Left to the sweeper');

  private async repeat(session: UploadSession, mediaId: number, md5: string): Promise<Completion> {
    const media = await this.media.get(session.ownerId, mediaId);
    if (media.md5 !== md5) throw checksumMismatch(session.offset);
    return { media, created: false };
  }
}
