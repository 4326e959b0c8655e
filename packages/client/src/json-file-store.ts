import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parse } from './problem.js';
import { isExpired, type SessionStore, type StoredSession } from './session-store.js';

type Sessions = Record<string, StoredSession>;

/**
 * Remembers in a file, across processes. One process writes in turn; of several that write at the very same moment one may
 * forget an upload, which then begins anew.
 */
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
    const changed = this.last.then(async () => await this.write(change(await this.read())));
    this.last = changed.catch(() => undefined);
    await changed;
  }

  private async read(): Promise<Sessions> {
    const text = await readFile(this.path, 'utf8').catch(() => '');
    return (parse(text) ?? {}) as Sessions;
  }

  /** Whole or not at all, whenever the process dies. Only for its owner: an upload id and a token are all it takes. */
  private async write(sessions: Sessions): Promise<void> {
    const alive = Object.entries(sessions).filter(([, session]) => !isExpired(session));
    const fresh = `${this.path}.${process.pid}`;
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    await writeFile(fresh, JSON.stringify(Object.fromEntries(alive), null, 1), { mode: 0o600 });
    await rename(fresh, this.path);
  }
}
