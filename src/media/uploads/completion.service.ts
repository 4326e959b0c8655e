import { webcrypto } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Audit, type Caller } from '../../audit/audit.js';
import type { AppError } from '../../errors/app-error.js';
import { Database, type Queryable } from '../../database/database.js';
import { Digester, type Digest } from '../../storage/digester.js';
import { FileStore } from '../../storage/file-store.js';
import { ContentInspector, type Content } from '../content/content-inspector.js';
import { isRefusal, NotAnImage } from '../content/content.errors.js';
import { PublicImages } from '../images/public-images.js';
import { Thumbnails } from '../images/thumbnails.js';
import type { Media, MediaType } from '../library/media.entity.js';
import { MediaService } from '../library/media.service.js';
import { UploadReader } from './upload-reader.js';
import { alive, UploadSessions, type UploadSession } from './upload-sessions.js';
import { ChecksumMismatch, UploadIncomplete } from './upload.errors.js';

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

/** What is to be published of an upload. */
interface Publication {
  /** Of the public file, but for the md5, which is that of the upload. */
  readonly digest: Digest;
  readonly content: Content;
  /** Undefined: the upload as it is. */
  readonly bytes: Buffer | undefined;
}

/**
 * Turns a session whose bytes are all there into a Media. Every step can be repeated: whatever a crash cut short, the
 * next request finishes, and finishes with the same Media.
 */
@Injectable()
export class CompletionService {
  private readonly logger = new Logger('Completion');

  constructor(
    private readonly db: Database,
    private readonly sessions: UploadSessions,
    private readonly reader: UploadReader,
    private readonly store: FileStore,
    private readonly digester: Digester,
    private readonly content: ContentInspector,
    private readonly images: PublicImages,
    private readonly thumbnails: Thumbnails,
    private readonly media: MediaService,
    private readonly audit: Audit,
  ) {}

  async complete(caller: Caller, request: CompletionRequest): Promise<Completion> {
    const { id: ownerId } = caller;
    const session = alive(await this.reader.find(ownerId, request.uploadId));
    if (session.mediaId !== null) return await this.repeat(session.mediaId, session, request);
    if (session.offset < session.total) throw new UploadIncomplete(session.offset);
    try {
      const completion = await this.finishWhole(caller, session, request);
      const { media, created } = completion;
      if (created)
        this.audit.record('upload.completed', caller, {
          upload: session.id,
          media: media.id,
          bytes: session.total,
        });
      return completion;
    } catch (error) {
      if (isRefusal(error)) throw error;
      // Another request may have completed or cancelled the upload meanwhile: its bytes are gone, or not those uploaded.
      const now = alive(await this.reader.find(ownerId, request.uploadId));
      if (now.mediaId === null) throw error;
      return await this.repeat(now.mediaId, now, request);
    }
  }

  private async finishWhole(
    caller: Caller,
    session: UploadSession,
    request: CompletionRequest,
  ): Promise<Completion> {
    // Without the lock: the bytes below the offset never change, and slow work must hold no connection.
    return await this.store.read(session, async (file) => {
      const digest = await this.digester.digest(file, session.total);
      this.verify(session, digest, request);
      const publication = await this.prepare(caller, file, session, digest);
      const type = mediaType(request.claim, publication.content);
      const completion = publication.bytes
        ? await this.replace(session, type, publication, publication.bytes)
        : await this.finish(session, type, publication, () => this.store.adopt(session, session.total));
      if (publication.content.image) this.thumbnails.nudge();
      return completion;
    });
  }

  private verify(session: UploadSession, digest: Digest, { md5 }: CompletionRequest): void {
    if (digest.size < session.total) {
      throw new Error(
        `Upload has ${digest.size} bytes on disk, fewer than its ${session.total} acknowledged ones`,
      );
    }
    if (digest.md5 !== md5) throw new ChecksumMismatch(session.offset);
  }

  /** Content that is not taken ends the session: no request could still make it a Media. */
  private async prepare(
    caller: Caller,
    file: FileHandle,
    session: UploadSession,
    digest: Digest,
  ): Promise<Publication> {
    const { total, fileName } = session;
    try {
      const content = await this.content.examine(file, { total, fileName, text: digest.text });
      const { bytes: image } = content;
      if (!content.image || !image) return { digest, content, bytes: undefined };
      const { bytes, facts } = await this.images.of(image, content.image);
      if (bytes === image) return { digest, content, bytes: undefined };
      const published = { ...digest, size: bytes.length, sha256: await sha256(bytes) };
      return { digest: published, content: { ...content, image: facts }, bytes };
    } catch (error) {
      if (isRefusal(error)) await this.reject(caller, session, error);
      throw error;
    }
  }

  private async reject(caller: Caller, session: UploadSession, { code, detail }: AppError): Promise<void> {
    const ended = await this.db.transaction(this.locking(session), async (db, current) => {
      if (current?.state !== 'open') return false;
      await this.sessions.abandon(db, session.id, 'rejected', { code, detail });
      return true;
    });
    if (!ended) return;
    this.audit.record('upload.rejected', caller, { upload: session.id, reason: code });
    await this.sessions.clean(this.db, session.id);
  }

  /**
   * Publishes other bytes than were uploaded. The upload stays until it expires: a request that comes again, after a
   * crash or a lost answer, is compared with what the client sent.
   */
  private async replace(
    session: UploadSession,
    type: MediaType,
    publication: Publication,
    bytes: Buffer,
  ): Promise<Completion> {
    const staged = await this.store.stage(session.id, bytes);
    try {
      return await this.finish(session, type, publication, () => this.store.publish(staged, session.key));
    } finally {
      // Gone if it was published.
      await this.store
        .discard(staged)
        .catch((err: unknown) => this.logger.warn({ err }, 'File left for the sweeper'));
    }
  }

  private async finish(
    session: UploadSession,
    type: MediaType,
    { digest, content, bytes }: Publication,
    putInPlace: () => Promise<void>,
  ): Promise<Completion> {
    const { id: mediaId, created } = await this.db.transaction(this.locking(session), async (db, current) => {
      const { mediaId } = alive(current);
      if (mediaId !== null) return { id: mediaId, created: false };
      await putInPlace();
      const id = await this.media.create(db, { session, type, digest, content });
      await this.sessions.complete(db, session.id, { mediaId: id, uploadStays: bytes !== undefined });
      return { id, created: true };
    });
    return { media: await this.media.get(session.ownerId, mediaId), created };
  }

  private locking({ ownerId, id }: UploadSession) {
    return (db: Queryable) => this.sessions.lock(db, ownerId, id);
  }

  private async repeat(
    mediaId: number,
    session: UploadSession,
    { md5 }: CompletionRequest,
  ): Promise<Completion> {
    const media = await this.media.get(session.ownerId, mediaId);
    if (media.md5 !== md5) throw new ChecksumMismatch(session.offset);
    return { media, created: false };
  }
}

/** Off the event loop. */
async function sha256(bytes: Buffer): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex');
}

function mediaType(claim: MediaType | undefined, { type }: Content): MediaType {
  if (claim === undefined) return type.kind === 'image' ? 'image' : 'doc';
  if (claim !== 'doc' && type.kind !== 'image') throw new NotAnImage(type.mime);
  return claim;
}
