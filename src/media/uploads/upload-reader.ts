import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { FileStore } from '../../storage/file-store.js';
import { UploadSessions, type PageRequest, type SessionPage, type UploadSession } from './upload-sessions.js';

/** Tells where uploads stand: nobody who asks has to know of tails. Changes nothing. */
@Injectable()
export class UploadReader {
  constructor(
    private readonly db: Database,
    private readonly sessions: UploadSessions,
    private readonly store: FileStore,
  ) {}

  /** The session, its tail counted if it is there: it may have been acknowledged. */
  async find(ownerId: string, id: string): Promise<UploadSession | undefined> {
    const session = await this.sessions.find(this.db, ownerId, id);
    const counted = session && (await this.count(session));
    if (counted !== 'gone') return counted;
    // Taken over or ended meanwhile: its row says so.
    const now = await this.sessions.find(this.db, ownerId, id);
    const again = now && (await this.count(now));
    return again === 'gone' ? now : again;
  }

  /** The owner's open sessions, newest first. */
  async page(ownerId: string, page: PageRequest): Promise<SessionPage> {
    const { count, sessions } = await this.sessions.page(this.db, ownerId, page);
    const found = sessions.map(async (session) =>
      session.tail ? ((await this.find(ownerId, session.id)) ?? session) : session,
    );
    return { count, sessions: await Promise.all(found) };
  }

  /** The session without its tail, which is counted if it is there. Gone: its file has another name by now, or none. */
  async count(session: UploadSession): Promise<UploadSession | 'gone'> {
    const { file, offset, tail } = session;
    if (!tail || session.state !== 'open') return session;
    const kept = await this.store.keeps(file, offset, tail);
    return kept === undefined ? 'gone' : { ...session, offset: kept ? tail.end : offset, tail: undefined };
  }
}
