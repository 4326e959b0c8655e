import { parse } from './problem.js';
import { isExpired, type SessionStore, type StoredSession } from './session-store.js';

const PREFIX = 'mediadock ';

/** Remembers across reloads. Where storage is full or forbidden it forgets: an upload is worth more than its resumption. */
export class LocalStorageStore implements SessionStore {
  get(key: string): StoredSession | undefined {
    return trying(() => read(PREFIX + key));
  }

  set(key: string, session: StoredSession): void {
    trying(() => {
      for (const name of Object.keys(localStorage).filter((name) => name.startsWith(PREFIX))) {
        const old = read(name);
        if (!old || isExpired(old)) localStorage.removeItem(name);
      }
      localStorage.setItem(PREFIX + key, JSON.stringify(session));
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
