import { randomUUID } from 'node:crypto';

/** An id for what is sent without being recorded, in the form of those that Postgres gives. */
export function newEventId(): string {
  return `evt_${randomUUID().replaceAll('-', '')}`;
}
