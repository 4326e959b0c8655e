import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { BlobStorage } from '../../storage/blob-storage.js';
import type { UploadSession } from '../uploads/sessions/upload-session.entity.js';
import { UploadStore } from '../uploads/sessions/upload-store.js';
import { eachRow } from './batches.js';
import { unreadable, type Finding } from './finding.js';
import { StoreFailures } from './store-failures.js';

const BATCH = 500;
const PAGE = `SELECT id, owner_id FROM upload_session WHERE state = 'open' AND expires_at > now() AND id > $1
  ORDER BY id LIMIT ${BATCH}`;

/** Compares open uploads with their parts. */
@Injectable()
export class UploadCheck {
  constructor(
    private readonly db: Database,
    private readonly storage: BlobStorage,
    private readonly uploads: UploadStore,
    private readonly failures: StoreFailures,
  ) {}

  async *check(): AsyncGenerator<Finding> {
    for await (const row of eachRow<{ id: string; owner_id: string }>(this.db, PAGE, '', BATCH)) {
      const finding = await this.findingOf(row.owner_id, row.id);
      if (finding) yield finding;
    }
  }

  /** Each part must have the bytes of its range. Otherwise the offset is set back to the first missing byte. */
  private async findingOf(ownerId: string, id: string): Promise<Finding | undefined> {
    const session = await this.uploads.find(ownerId, id);
    if (!session) return undefined;
    const finding = await this.failures.tolerate(
      async () => this.short(session, await this.wholeBytes(session)),
      (cause) => unreadable('upload', nameOf(session), cause),
    );
    // The upload may have ended meanwhile, and its parts with it.
    const now = finding && (await this.uploads.find(ownerId, id));
    return now?.state === 'open' && now.part === session.part ? finding : undefined;
  }

  /** Returns the number of bytes of an upload before the first missing one. */
  private async wholeBytes(session: UploadSession): Promise<number> {
    let whole = 0;
    for (const { name, start, end } of await this.uploads.extentsOf(session)) {
      if (start !== whole) break;
      const size = (await this.storage.size('uploads', name)) ?? 0;
      whole = Math.min(start + size, end);
      if (whole < end) break;
    }
    return whole;
  }

  private short(session: UploadSession, whole: number): Finding | undefined {
    const { id, offset, part } = session;
    if (whole === offset) return undefined;
    return {
      fault: 'upload-short',
      subject: nameOf(session),
      detail: `${whole} bytes on disk, ${offset} acknowledged`,
      remedy: 'set the offset back to the bytes that exist; the client sends the rest again',
      fix: async () => {
        // No process knows a part called '', so the next chunk begins a new one.
        await this.db.query(
          `WITH shortened AS (
             UPDATE upload_session SET "offset" = $2, part = '', digest = NULL
             WHERE id = $1 AND state = 'open' AND "offset" = $3 AND part = $4 RETURNING id)
           DELETE FROM upload_part p USING shortened s WHERE p.upload_id = s.id AND p.start >= $2`,
          [id, whole, offset, part],
        );
      },
    };
  }
}

function nameOf({ id }: UploadSession): string {
  return `upload ${id.slice(0, 8)}…`;
}
