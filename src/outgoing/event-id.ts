import { randomUUID } from 'node:crypto';

/** An id for events that are sent without being recorded, in the same format as those from Postgres. */
export function newEventId(): string {
  return `evt_${randomUUID().replaceAll('-', '')}`;
}
