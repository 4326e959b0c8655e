import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import { FileUrls } from '../media/library/file-urls.js';
import { toMediaDto } from '../media/library/media.dto.js';
import type { Media } from '../media/library/media.entity.js';
import { toUploadDto } from '../media/uploads/upload.dto.js';
import type { UploadSession } from '../media/uploads/sessions/upload-session.entity.js';

export type EventType =
  | 'upload.created'
  | 'upload.rejected'
  | 'upload.cancelled'
  | 'upload.expired'
  | 'media.created'
  | 'media.thumbnail_ready'
  | 'media.deleted'
  | 'webhook.test';

/** An event of an upload or media item, with the row as it was then. */
export interface RecordedEvent {
  readonly id: string;
  readonly type: EventType;
  readonly upload_id: string;
  readonly owner_id: string;
  readonly created_at: Date;
  /** Keyed by column name. */
  readonly subject: Readonly<Record<string, unknown>>;
}

/** Formats events like the responses of the API. */
@Injectable()
export class EventBodies {
  constructor(
    private readonly config: Config,
    private readonly urls: FileUrls,
  ) {}

  /** Signed URLs are valid as long as those of a response sent now. */
  of({ id, type, upload_id, owner_id, created_at, subject }: RecordedEvent): object {
    const { publicUrl, port } = this.config;
    const row = fields(subject);
    const urlOf = (path: string) => this.urls.of(publicUrl ?? `http://localhost:${port}`, path);
    const envelope = { id, type, created_at: created_at.toISOString() };
    if (type === 'webhook.test') return { ...envelope, data: {} };
    const about = type.startsWith('upload.')
      ? { upload: toUploadDto(row as unknown as UploadSession) }
      : { media: toMediaDto(row as unknown as Media, urlOf) };
    return { ...envelope, data: { user: owner_id, upload_id, ...about } };
  }
}

/** Renames columns to the fields of entities, and parses times. */
function fields(subject: RecordedEvent['subject']): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(subject).map(([column, value]) => [
      column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      column.endsWith('_at') && typeof value === 'string' ? new Date(value) : value,
    ]),
  );
}
