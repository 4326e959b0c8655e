import { parse } from './problem.js';
import { outdated, type SessionStore, type StoredSession } from './session-store.js';

const PREFIX = 'mediadock ';

/** Stores sessions across reloads. Throws if storage is full or blocked. */
export class LocalStorageStore implements SessionStore {
  get(key: string): StoredSession | undefined {
    return read(PREFIX + key);
  }

  set(key: string, session: StoredSession): void {
    localStorage.setItem(PREFIX + key, JSON.stringify(session));
    const ours = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
    for (const name of outdated(ours, read)) localStorage.removeItem(name);
  }

  delete(key: string): void {
    localStorage.removeItem(PREFIX + key);
  }
}

function read(name: string): StoredSession | undefined {
  return parse(localStorage.getItem(name) ?? '') as StoredSession | undefined;
}
