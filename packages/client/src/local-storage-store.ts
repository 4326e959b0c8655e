import { parse } from './problem.js';
import { outdated, type SessionStore, type StoredSession } from './session-store.js';

const PREFIX = 'mediadock ';

/** Stores sessions across reloads. If storage is full or blocked, nothing is stored. */
export class LocalStorageStore implements SessionStore {
  get(key: string): StoredSession | undefined {
    return trying(() => read(PREFIX + key));
  }

  set(key: string, session: StoredSession): void {
    trying(() => {
      localStorage.setItem(PREFIX + key, JSON.stringify(session));
      const ours = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
      for (const name of outdated(ours, read)) localStorage.removeItem(name);
    });
  }

  delete(key: string): void {
    trying(() => localStorage.removeItem(PREFIX + key));
  }
}

function read(name: string): StoredSession | undefined {
  return parse(localStorage.getItem(name) ?? '') as StoredSession | undefined;
}

function trying<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
