import { createHash } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';

/** The user, address and request that cause something. */
export interface Caller {
  /** Of the user, who owns what the caller opens. */
  readonly id: string;
  readonly address: string | undefined;
  readonly requestId: string;
}

type AuditEvent =
  | 'upload.created'
  | 'upload.completed'
  | 'upload.rejected'
  | 'upload.cancelled'
  | 'upload.expired'
  | 'upload.limited'
  | 'media.deleted'
  | 'webhook.delivered'
  | 'webhook.failed';

/** Facts about an event besides its caller. */
interface AuditFacts {
  /** The id of the upload. Only a hash of it is logged. */
  readonly upload?: string | undefined;
  readonly media?: number;
  readonly bytes?: number;
  /** The code of the error in the response. */
  readonly reason?: string;
  /** For webhooks: the id and type of the event, the receiver, and the number of attempts. */
  readonly delivered?: string;
  readonly type?: string;
  readonly webhook?: string;
  readonly attempts?: number;
}

/** Logs one line for each event of an upload or media item, after it has been committed. */
@Injectable()
export class Audit {
  private readonly logger = new Logger('Audit');

  /** @param by only the user if there is no request, as when the sweeper expires an upload */
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

/** Connects the log lines of one upload, without revealing its id. */
function sessionHash(uploadId: string): string {
  return createHash('sha256').update(`mediadock audit ${uploadId}`).digest('hex').slice(0, 16);
}
