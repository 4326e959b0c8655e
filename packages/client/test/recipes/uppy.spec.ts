import Uppy, { type BasePlugin, type Body, type Meta, type PluginOpts } from '@uppy/core';
import { pdf } from '../../../../test/setup/samples.js';
import { TestApp } from '../../../../test/setup/test-app.js';
import { until } from '../../../../test/setup/until.js';
import type { Media } from '../../src/node.js';
import { recipe } from '../setup/recipe.js';
import { CHUNK_PATH, gate, Stage } from '../setup/stage.js';

interface Options extends PluginOpts {
  readonly url: string;
  readonly token: string;
  readonly limit?: number;
}
/** What the server answers to the end of an upload. */
type Answer = Media & Body;
type Plugin = new (uppy: Uppy<Meta, Answer>, options?: Options) => BasePlugin<Options, Meta, Answer>;

const bytes = pdf(900_000);

let app: TestApp;
let stage: Stage;
let Mediadock: Plugin;

beforeAll(async () => {
  ({ Mediadock } = await recipe<{ Mediadock: Plugin }>('uppy'));
  app = await TestApp.start();
});
afterAll(() => app.stop());
afterEach(() => stage.strike());

/** Uppy itself, without a page. */
function uppy(limit = 3): Uppy<Meta, Answer> {
  return new Uppy<Meta, Answer>().use(Mediadock, { url: stage.proxy.url, token: stage.token, limit });
}

function add(core: Uppy<Meta, Answer>, name: string, content = bytes): string {
  const data = new File([new Uint8Array(content)], name, { type: 'application/pdf', lastModified: 1 });
  return core.addFile({ name, type: data.type, data });
}

const quiet = () => undefined;

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
    const id = add(core, 'a.pdf');
    const told: (number | false)[] = [];
    core.on('upload-progress', (_, { bytesUploaded }) => told.push(bytesUploaded));
    const result = await core.upload();
    const { response, progress } = core.getFile(id);
    const media = response?.body;
    expect([result?.successful?.length, result?.failed]).toEqual([1, []]);
    expect([media?.title, response?.uploadURL]).toEqual(['a.pdf', media?.url]);
    expect([told.at(-1), progress.uploadComplete, progress.percentage]).toEqual([900_000, true, 100]);
    expect(core.getState().capabilities.resumableUploads).toBe(true);
    await stage.expectOnly(media!, bytes);
  });

  it('tells which files fail, and uploads the others', async () => {
    stage = await Stage.set(app);
    const core = uppy();
    core.setOptions({ logger: { debug: quiet, warn: quiet, error: quiet } });
    add(core, 'page.pdf', Buffer.from('<!doctype html>'));
    for (const name of ['a.pdf', 'b.pdf', 'c.pdf', 'd.pdf']) add(core, name);
    const result = await core.upload();
    expect(result?.failed?.map(({ name, error }) => [name, error])).toEqual([
      ['page.pdf', expect.stringMatching(/^HTML files are not accepted. Accepted are JPG, /)],
    ]);
    expect(result?.successful?.map(({ name }) => name).sort()).toEqual(['a.pdf', 'b.pdf', 'c.pdf', 'd.pdf']);
  });

  it.each<[string, (core: Uppy<Meta, Answer>, id: string) => void]>([
    ['all', (core) => (core.pauseAll(), core.resumeAll())],
    ['one', (core, id) => (core.pauseResume(id), core.pauseResume(id))],
  ])('pauses and resumes %s', async (_, pauseAndResume) => {
    const { reached, release } = await holding();
    const core = uppy();
    const id = add(core, 'a.pdf');
    const done = core.upload();
    await reached;
    pauseAndResume(core, id);
    const result = await done;
    release();
    expect([result?.successful?.length, stage.ranges().length]).toEqual([1, 6]);
  });

  it.each<[string, (core: Uppy<Meta, Answer>, id: string) => void]>([
    ['is removed', (core, id) => core.removeFile(id)],
    ['is cancelled', (core) => core.cancelAll()],
  ])('takes what %s from the server, without an error', async (_, remove) => {
    const { reached, release } = await holding();
    const core = uppy();
    const id = add(core, 'a.pdf');
    const errors: unknown[] = [];
    core.on('upload-error', (...error) => errors.push(error));
    const done = core.upload();
    await reached;
    expect(await stage.openUploads()).toHaveLength(1);
    remove(core, id);
    await done;
    release();
    await until(
      () => stage.openUploads(),
      ({ length }) => length === 0,
    );
    expect(errors).toEqual([]);
  });

  it.each<[string, number, (core: Uppy<Meta, Answer>, id: string) => void]>([
    ['is removed', 6, (core, id) => core.removeFile(id)],
    ['is cancelled', 3, (core) => core.cancelAll()],
  ])('sends nothing of what %s while it waits for others', async (_, chunks, remove) => {
    const { reached, release } = await holding();
    const core = uppy(1);
    add(core, 'a.pdf');
    const id = add(core, 'b.pdf');
    const done = core.upload();
    await reached;
    remove(core, id);
    release();
    await done;
    expect(stage.ranges()).toHaveLength(chunks);
  });

  it('uploads nothing once it is taken out', async () => {
    stage = await Stage.set(app);
    const core = uppy();
    core.removePlugin(core.getPlugin('Mediadock')!);
    add(core, 'a.pdf');
    await core.upload();
    expect(stage.ranges()).toEqual([]);
  });
});
