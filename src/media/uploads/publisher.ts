import { randomBytes, webcrypto } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Injectable } from '@nestjs/common';
import { FairSemaphore, type Bounds } from '../../concurrency/fair-semaphore.js';
import { Config } from '../../config/config.js';
import { BlobStorage, type ScratchFile } from '../../storage/blob-storage.js';
import { Admission, type Candidate } from '../admission/admission.js';
import { Digester, type Digest } from '../content/digest/digester.js';
import { ContentInspector, type Content } from '../content/content-inspector.js';
import { NotAnImage } from '../content/content.errors.js';
import { deadlineAfter, longWaitMs } from '../deadline.js';
import { PublicImages } from '../images/public-images.js';
import type { MediaType } from '../library/media.entity.js';
import type { CompletionRequest } from './completion.service.js';
import type { UploadSession } from './sessions/upload-session.entity.js';
import { alive, UploadSessions } from './sessions/upload-sessions.js';
import { UploadStore } from './sessions/upload-store.js';
import { checksumMismatch } from './upload.errors.js';

/** A finished file that no row names yet. */
export interface Publication {
  /** Name of the file: 32 hex digits that cannot be guessed. */
  readonly key: string;
  readonly type: MediaType;
  /** Of the public file, except for the md5, which is that of the upload. */
  readonly digest: Digest;
  readonly content: Content;
  /** Whether the public file differs from what was uploaded. */
  readonly altered: boolean;
  /** The row must be committed before this: later, the sweeper may have removed the file as an orphan. */
  readonly deadline: Date;
}

/** Makes one whole file of the parts of an upload, checks it, and puts it in place. */
@Injectable()
export class Publisher {
  private readonly turns: FairSemaphore;
  /** How long a file may wait for its row, which begins before it is sent to a store. */
  private readonly namingMs: number;

  constructor(
    config: Config,
    private readonly storage: BlobStorage,
    private readonly store: UploadStore,
    private readonly sessions: UploadSessions,
    private readonly digester: Digester,
    private readonly content: ContentInspector,
    private readonly images: PublicImages,
    private readonly admission: Admission,
  ) {
    this.turns = new FairSemaphore(cpuBounds(config));
    this.namingMs = longWaitMs(config.sweep.orphanAgeSeconds);
  }

  /**
   * Takes no lock: the bytes of an upload never change, and slow work must hold no connection. Each attempt has a file
   * of its own, so none can replace what another one has committed.
   * @param abandoned aborted when nobody waits for the Media any more
   * @throws checksumMismatch, NotAnImage, what `isRefusal` knows
   */
  async publish(
    session: UploadSession,
    request: CompletionRequest,
    abandoned: AbortSignal,
  ): Promise<Publication> {
    const extents = await this.store.extentsOf(session);
    const parts = extents.map(({ name, start, end }) => ({ name, length: end - start }));
    return await this.storage.withUpload(session.id, parts, async (scratch) => {
      const { digest, content } = await this.turns.run(session.ownerId, () =>
        this.examine(session, scratch, request),
      );
      abandoned.throwIfAborted();
      const type = mediaType(request.claim, content);
      await this.admission.admit(candidateOf(session, type, digest, content), scratch.file);
      // Admission may have taken long: the upload may have ended, and the deadline counts from now.
      const { now } = alive(await this.store.find(session.ownerId, session.id));
      const [key, deadline] = [randomBytes(16).toString('hex'), deadlineAfter(now, this.namingMs)];
      const { image, bytes } = content;
      const visible = image && bytes ? await this.images.of(bytes, image, session.ownerId) : undefined;
      if (!visible || visible.bytes === bytes) {
        await scratch.publish(key);
        return { key, type, digest, content, altered: false, deadline };
      }
      await this.storage.put('files', key, visible.bytes);
      const altered = { ...digest, size: visible.bytes.length, sha256: await sha256(visible.bytes) };
      const published = { key, type, digest: altered, content: { ...content, image: visible.facts } };
      return { ...published, altered: true, deadline };
    });
  }

  private async examine(
    session: UploadSession,
    { file }: ScratchFile,
    { md5 }: CompletionRequest,
  ): Promise<{ digest: Digest; content: Content }> {
    const { total, fileName, offset } = session;
    // The digest may be known from an attempt that still had all bytes.
    const { size } = await file.stat();
    if (size < total) throw new Error(`Upload has lost bytes: ${size} of ${total} are left`);
    const digest = session.digest ?? (await this.digester.digest(file, total));
    if (digest.md5 !== md5) {
      await this.sessions.keepDigest(session, digest);
      throw checksumMismatch(offset);
    }
    return { digest, content: await this.content.examine(file, { ...digest, total, fileName }) };
  }
}

/** Concurrent jobs: one user can keep all cores busy, and others need not wait for long jobs. */
export function cpuBounds({ workers }: Config): Bounds {
  const cores = Math.max(1, Math.floor(availableParallelism() / workers));
  return { slots: cores + 1, slotsPerOwner: cores };
}

/** Off the event loop. */
async function sha256(bytes: Buffer): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex');
}

const candidateOf = (
  { id, ownerId, fileName }: UploadSession,
  type: MediaType,
  { size, md5, sha256 }: Digest,
  content: Content,
): Candidate => ({
  ...{ user: ownerId, upload_id: id, title: fileName, type, mimetype: content.type.mime },
  ...{ size, md5, sha256 },
});

function mediaType(claim: MediaType | undefined, { type }: Content): MediaType {
  if (claim === undefined) return type.kind === 'image' ? 'image' : 'doc';
  if (claim !== 'doc' && type.kind !== 'image') throw new NotAnImage(type.mime);
  return claim;
}
