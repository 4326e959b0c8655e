import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Observable, type Subscriber } from 'rxjs';
import { Periodic } from '../jobs/periodic.js';
import { Database } from '../database/database.js';
import { ServiceUnavailable } from '../errors/app-error.js';
import { TooManyRequests } from '../errors/too-many-requests.js';

const POLL_MS = 500;
const MAX_PER_USER = 20;

/** The state of an upload, and its media item once there is one. */
export interface Standing {
  readonly id: string;
  readonly state: 'open' | 'complete' | 'cancelled' | 'expired' | 'rejected';
  /** Includes an announced chunk, which may not count in the end. Only for progress bars. */
  readonly offset: number;
  readonly total: number;
  readonly mediaId: number | null;
  readonly rejection: { readonly code: string; readonly detail: string } | null;
  /** Whether it has a thumbnail, or is to get one. */
  readonly thumbnail: 'made' | 'ordered' | null;
}

interface Watcher {
  readonly upload: string;
  readonly owner: string;
  readonly subscriber: Subscriber<Standing>;
  last: string;
}

/**
 * Reports the progress of uploads, whichever server gets their chunks. Queries Postgres twice a second for all uploads
 * that are watched here, and not at all while nobody watches. A NOTIFY per chunk would make commits wait for each
 * other.
 */
@Injectable()
export class Progress implements OnModuleDestroy {
  private readonly logger = new Logger('Progress');
  private readonly watchers = new Set<Watcher>();
  private readonly polls = new Periodic((err) =>
    this.logger.warn({ err }, 'The progress of uploads could not be read'),
  );
  private isEnding = false;

  constructor(private readonly db: Database) {}

  /** All streams end when the server stops. Clients continue with another one. */
  async onModuleDestroy(): Promise<void> {
    this.isEnding = true;
    for (const { subscriber } of this.watchers) subscriber.complete();
    await this.polls.stop();
  }

  /** Yields the state of an upload, now and after each change. @throws TooManyRequests, ServiceUnavailable */
  watch(owner: string, upload: string): Observable<Standing> {
    // Clients whose streams have ended reconnect at once, and would delay the end of the server.
    if (this.isEnding) throw new ServiceUnavailable('The server is stopping; try again');
    const theirs = [...this.watchers].filter((watcher) => watcher.owner === owner);
    if (theirs.length >= MAX_PER_USER) throw new TooManyRequests();
    return new Observable((subscriber) => {
      const watcher = { owner, upload, subscriber, last: '' };
      this.watchers.add(watcher);
      this.polls.start(POLL_MS, () => this.ask());
      this.polls.run(() => this.ask());
      return () => this.leave(watcher);
    });
  }

  private leave(watcher: Watcher): void {
    this.watchers.delete(watcher);
    if (this.watchers.size === 0) void this.polls.stop();
  }

  private async ask(): Promise<void> {
    // New watchers are served by the next query.
    const watchers = [...this.watchers];
    const { rows } = await this.db.query<Standing>(STANDINGS, [watchers.map(({ upload }) => upload)]);
    const standings = new Map(rows.map((row) => [row.id, row]));
    for (const watcher of watchers) tell(watcher, standings.get(watcher.upload));
  }
}

const STANDINGS = `
  SELECT s.id, CASE WHEN state = 'open' AND expires_at <= now() THEN 'expired' ELSE state END AS state,
    coalesce(tail_end, "offset")::float8 AS "offset", total::float8 AS total, media_id AS "mediaId", rejection,
    CASE WHEN thumbnail_key IS NOT NULL THEN 'made' WHEN thumbnail_turn IS NOT NULL THEN 'ordered' END AS thumbnail
  FROM upload_session s LEFT JOIN media ON media.id = media_id WHERE s.id = ANY ($1::text[])`;

/** A missing upload was deleted together with its media item. */
function tell(watcher: Watcher, standing: Standing | undefined): void {
  if (!standing) return watcher.subscriber.complete();
  const now = JSON.stringify(standing);
  if (now === watcher.last) return;
  watcher.last = now;
  watcher.subscriber.next(standing);
}
