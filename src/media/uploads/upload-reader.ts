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
    if (!session?.tail) return session;
    return await this.db.transaction(
      (db) => this.sessions.lock(db, ownerId, id),
      async (_, now) => now && (await this.count(now)),
    );
  }

  /** The owner's open sessions, newest first. */
  async page(ownerId: string, page: PageRequest): Promise<SessionPage> {
    const { count, sessions } = await this.sessions.page(this.db, ownerId, page);
    const found: UploadSession[] = [];
    // One after the other: each takes a connection, and memory for a chunk.
    for (const session of sessions)
      found.push((session.tail && (await this.find(ownerId, session.id))) ?? session);
    return { count, sessions: found };
  }

  /**
   * The session without its tail, which is counted if it is there. The caller has locked its row: whoever takes the upload over
   * looks for the tail once more under that lock, and finds what was counted.
   */
  async count(session: UploadSession): Promise<UploadSession> {
    const { file, offset, tail } = session;
    if (!tail || session.state !== 'open') return session;
    const kept = await this.store.keeps(file, offset, tail);
    return { ...session, offset: kept ? tail.end : offset, tail: undefined };
  }
}
