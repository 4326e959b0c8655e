import { createHash } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';

/** Who does something, and in which request. */
export interface Caller {
  /** Of the user, who owns what the caller opens. */
  readonly id: string;
  readonly address: string | undefined;
  readonly requestId: string;
}

export type AuditEvent =
  | 'upload.created'
  | 'upload.completed'
  | 'upload.rejected'
  | 'upload.cancelled'
  | 'upload.expired'
  | 'upload.limited'
  | 'media.deleted'
  | 'webhook.delivered'
  | 'webhook.failed';

/** What is known of an event beyond its caller. */
export interface AuditFacts {
  /** The upload's id, of which a hash is written. */
  readonly upload?: string | undefined;
  readonly media?: number;
  readonly bytes?: number;
  /** The code of the error that was answered. */
  readonly reason?: string;
  /** The id of the event that a webhook told of, its type, the receiver, and how often it was tried. */
  readonly delivered?: string;
  readonly type?: string;
  readonly webhook?: string;
  readonly attempts?: number;
}

/** What becomes of uploads and media, one line in the log each, written once it is committed. */
@Injectable()
export class Audit {
  private readonly logger = new Logger('Audit');

  /** @param by the user alone where no request is: a caller of the past */
  record(event: AuditEvent, by: Partial<Caller>, { upload, ...facts }: AuditFacts): void {
    this.logger.log({
      event,
      user: by.id,
      ...(upload !== undefined && { session: sessionHash(upload) }),
      address: by.address,
      request_id: by.requestId,
      ...facts,
    });
  }
}

/** Who knows an upload's id may ask for it; this tells the lines of one upload and opens nothing. */
function sessionHash(uploadId: string): string {
  return createHash('sha256').update(`mediadock audit ${uploadId}`).digest('hex').slice(0, 16);
}
