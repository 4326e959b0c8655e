import { jest } from '@jest/globals';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '../../../../test/setup/client.js';
import { FaultyProxy, type Exchange, type FaultPlan } from '../../../../test/setup/faulty-proxy.js';
import { TestApp } from '../../../../test/setup/test-app.js';
import type { Media } from '../../src/node.js';
import type { UploadOptions } from '../../src/upload-options.js';

// A server, a proxy and a user take their time on a busy machine.
jest.setTimeout(30_000);

export const CHUNK_PATH = '/api/v2/media/upload/chunk/';
export const COMPLETE_PATH = '/api/v2/media/upload/complete/';

/** Fast enough for tests, patient enough for a busy machine. */
const RETRY = { firstDelayMs: 5, maxDelayMs: 50, limit: 200 };

let users = 0;

/** A server, a network before it that does as it is told, and a user of its own for every test. */
export class Stage {
  readonly owner = `client-${++users}`;
  private readonly paths: string[] = [];

  private constructor(
    readonly app: TestApp,
    readonly proxy: FaultyProxy,
    readonly token: string,
  ) {}

  static async set(app: TestApp, plan?: FaultPlan): Promise<Stage> {
    const proxy = await FaultyProxy.start(app.url, plan);
    const stage: Stage = new Stage(app, proxy, '');
    return Object.assign(stage, { token: await app.token(stage.owner) });
  }

  get options(): UploadOptions & { url: string; token: string } {
    return { url: this.proxy.url, token: this.token, retry: RETRY };
  }

  /** A directory that goes with the stage. */
  async directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'mediadock-client-'));
    this.paths.push(path);
    return path;
  }

  async file(bytes: Buffer, name = 'a b.pdf'): Promise<string> {
    const path = join(await this.directory(), name);
    await writeFile(path, bytes);
    return path;
  }

  async client(): Promise<Client> {
    return await Client.of(this.app, this.owner);
  }

  exchanges(method: string, path: string): Exchange[] {
    return this.proxy.exchanges.filter((one) => one.method === method && one.path.startsWith(path));
  }

  /** The ranges that were sent, in order. */
  ranges(): string[] {
    return this.exchanges('POST', CHUNK_PATH).map(({ headers }) =>
      String(headers['content-range']).replace(/^bytes /, ''),
    );
  }

  /** The file of a Media, byte by byte; and that it is the only one, with no upload left open. */
  async expectOnly(media: Media, bytes: Buffer): Promise<void> {
    const { app, owner } = this;
    expect(await app.sql('SELECT id FROM media WHERE owner_id = $1', [owner])).toEqual([{ id: media.id }]);
    expect(await this.openUploads()).toEqual([]);
    // The URL names the proxy, which is how the client reached the server.
    const path = new URL(media.url ?? media.image ?? '').pathname;
    const response = await fetch(new URL(path, app.url));
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
  }

  async openUploads(): Promise<{ upload_id: string; offset: string }[]> {
    return (await (await this.client()).send('GET', '/api/v2/media/upload/')).body.results;
  }

  async strike(): Promise<void> {
    await this.proxy.stop();
    await Promise.all(this.paths.map((path) => rm(path, { recursive: true, force: true })));
  }
}

/** A door that stays shut until it is opened. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const door = new EventEmitter();
  return { opened: once(door, 'open').then(() => undefined), open: () => void door.emit('open') };
}
