import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { locked } from './file-lock.js';
import { parse } from './problem.js';
import { outdated, type SessionStore, type StoredSession } from './session-store.js';

type Sessions = Record<string, StoredSession>;

/** Stores sessions in a file that any number of processes may share. Rejects if it cannot be read or written. */
export class JsonFileStore implements SessionStore {
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly path: string) {}

  async get(key: string): Promise<StoredSession | undefined> {
    await this.last;
    return (await this.read())[key];
  }

  async set(key: string, session: StoredSession): Promise<void> {
    await this.change((sessions) => ({ ...sessions, [key]: session }));
  }

  async delete(key: string): Promise<void> {
    await this.change(({ [key]: _, ...others }) => others);
  }

  private async change(change: (sessions: Sessions) => Sessions): Promise<void> {
    const changed = this.last.then(async () => {
      await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
      await locked(`${this.path}.lock`, async () => await this.write(change(await this.read())));
    });
    this.last = changed.catch(() => undefined);
    await changed;
  }

  private async read(): Promise<Sessions> {
    try {
      return (parse(await readFile(this.path, 'utf8')) ?? {}) as Sessions;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw error;
    }
  }

  /**
   * Writes the file atomically, readable only by its owner, because an upload id and a token give access to an upload.
   */
  private async write(sessions: Sessions): Promise<void> {
    const old = new Set(outdated(Object.keys(sessions), (key) => sessions[key]));
    const kept = Object.entries(sessions).filter(([key]) => !old.has(key));
    const fresh = `${this.path}.${randomUUID()}`;
    await writeFile(fresh, JSON.stringify(Object.fromEntries(kept), null, 1), { mode: 0o600 });
    await rename(fresh, this.path);
  }
}
