import { jest } from '@jest/globals';
import { pdf } from '../../../../test/setup/samples.js';
import { TestApp } from '../../../../test/setup/test-app.js';
import type { Media } from '../../src/node.js';
import { recipe } from '../setup/recipe.js';
import { CHUNK_PATH, gate, Stage } from '../setup/stage.js';
import { BasePlugin, Uppy, type UppyFile } from '../setup/uppy.js';

interface Options {
  readonly url: string;
  readonly token: string;
  readonly limit?: number;
}
type Plugin = new (uppy: Uppy, options: Options) => { install(): void; uninstall(): void };

const bytes = pdf(900_000);

let app: TestApp;
let stage: Stage;
let Mediadock: Plugin;

beforeAll(async () => {
  jest.unstable_mockModule('@uppy/core', () => ({ BasePlugin }), { virtual: true });
  ({ Mediadock } = await recipe<{ Mediadock: Plugin }>('uppy'));
  app = await TestApp.start();
});
afterAll(() => app.stop());
afterEach(() => stage.strike());

function uppy(): Uppy {
  return new Uppy().use(Mediadock, { url: stage.proxy.url, token: stage.token });
}

/** A stage that holds the third chunk. */
async function holding() {
  const [reached, release] = [gate(), gate()];
  stage = await Stage.set(app, async ({ path, turn }) => {
    if (path !== CHUNK_PATH || turn !== 2) return undefined;
    reached.open();
    await release.opened;
    return { status: 500, headers: {}, body: Buffer.alloc(0) };
  });
  return { reached: reached.opened, release: release.open };
}

describe('the recipe for Uppy', () => {
  it('uploads what was added, and tells how far it is', async () => {
    stage = await Stage.set(app);
    const core = uppy();
    core.addFile('a.pdf', bytes);
    const seen: string[] = [];
    let media: Media | undefined;
    core.on('upload-start', (files: UppyFile[]) => seen.push(`start ${files.map(({ name }) => name)}`));
    core.on('upload-progress', (file: UppyFile, { bytesUploaded, bytesTotal }) =>
      seen.push(`${file.name} ${bytesUploaded} of ${bytesTotal}`),
    );
    core.on('upload-success', (_, { body, uploadURL }) => {
      media = body as Media;
      expect(uploadURL).toBe(media.url);
    });
    await core.upload();
    expect(core.getState()).toEqual({ capabilities: { uploadProgress: true, resumableUploads: true } });
    expect([seen[0], seen.at(-1)]).toEqual(['start a.pdf', 'a.pdf 900000 of 900000']);
    expect(media!.title).toBe('a.pdf');
    await stage.expectOnly(media!, bytes);
  });

  it('tells which files fail, and uploads the others', async () => {
    stage = await Stage.set(app);
    const core = uppy();
    core.addFile('page.pdf', Buffer.from('<!doctype html>'));
    for (const name of ['a.pdf', 'b.pdf', 'c.pdf', 'd.pdf']) core.addFile(name, bytes);
    const [failed, done]: [string[], string[]] = [[], []];
    core.on('upload-error', (file: UppyFile, { code }) => failed.push(`${file.name} ${code}`));
    core.on('upload-success', (file: UppyFile) => done.push(file.name));
    await core.upload();
    expect(failed).toEqual(['page.pdf unsupported-content']);
    expect(done.sort()).toEqual(['a.pdf', 'b.pdf', 'c.pdf', 'd.pdf']);
  });

  it.each<[string, (core: Uppy, paused: boolean) => void]>([
    ['all', (core, paused) => core.emit(paused ? 'pause-all' : 'resume-all')],
    ['one', (core, paused) => core.emit('upload-pause', core.getFile('uppy-a.pdf'), paused)],
  ])('pauses and resumes %s', async (_, set) => {
    const { reached, release } = await holding();
    const core = uppy();
    core.addFile('a.pdf', bytes);
    const done = core.upload();
    await reached;
    set(core, true);
    set(core, false);
    await done;
    release();
    expect(stage.ranges()).toHaveLength(6);
  });

  it.each<[string, (core: Uppy) => void]>([
    ['is removed', (core) => core.removeFile('uppy-a.pdf')],
    ['is cancelled', (core) => core.emit('cancel-all')],
  ])('takes what %s from the server, without an error', async (_, remove) => {
    const { reached, release } = await holding();
    const core = uppy();
    core.addFile('a.pdf', bytes);
    const errors: unknown[] = [];
    core.on('upload-error', (...error) => errors.push(error));
    const done = core.upload();
    await reached;
    expect(await stage.openUploads()).toHaveLength(1);
    remove(core);
    await done;
    release();
    const deadline = Date.now() + 5000;
    while ((await stage.openUploads()).length > 0 && Date.now() < deadline);
    expect([errors, await stage.openUploads()]).toEqual([[], []]);
  });

  it('goes when it is taken out', async () => {
    stage = await Stage.set(app);
    const core = new Uppy();
    const plugin = new Mediadock(core, { url: stage.proxy.url, token: stage.token });
    plugin.install();
    plugin.uninstall();
    expect([core.uploaders.size, core.eventNames()]).toEqual([0, []]);
  });
});
