import type { FaultPlan } from '../../../../test/setup/faulty-proxy.js';
import { pdf } from '../../../../test/setup/samples.js';
import { TestApp } from '../../../../test/setup/test-app.js';
import type { Media } from '../../src/node.js';
import { Blueimp, type BlueimpOptions } from '../setup/blueimp.js';
import { FakeStorage } from '../setup/local-storage.js';
import { recipe } from '../setup/recipe.js';
import { CHUNK_PATH, COMPLETE_PATH, Stage } from '../setup/stage.js';

interface Recipe {
  mediadockOptions(options: {
    url: string;
    token: string;
    retries?: number;
    onMedia: (media: Media) => void;
    onError: (error: Error) => void;
  }): BlueimpOptions;
}

const bytes = pdf(900_000);
const lost: FaultPlan = ({ path, turn }) => (path === CHUNK_PATH && turn === 2 ? 'cut' : undefined);

let app: TestApp;
let stage: Stage;
let mediadockOptions: Recipe['mediadockOptions'];

beforeAll(async () => {
  ({ mediadockOptions } = await recipe<Recipe>('blueimp'));
  app = await TestApp.start();
});
afterAll(() => app.stop());
beforeEach(() =>
  Object.defineProperty(globalThis, 'localStorage', { value: new FakeStorage(), configurable: true }),
);
afterEach(async () => {
  await stage.strike();
  Reflect.deleteProperty(globalThis, 'localStorage');
});

/** As a page does that was just loaded. */
async function pick(content = bytes, retries?: number): Promise<Media> {
  const file = new File([new Uint8Array(content)], 'Größe (写真).pdf', { lastModified: 1 });
  return await new Promise<Media>((onMedia, onError) => {
    const more = retries === undefined ? {} : { retries };
    new Blueimp(
      mediadockOptions({ url: stage.proxy.url, token: stage.token, onMedia, onError, ...more }),
    ).add(file);
  });
}

describe('the recipe for blueimp-file-upload', () => {
  it.each([900_000, 204_800, 1_000])('uploads a file of %i bytes', async (size) => {
    stage = await Stage.set(app);
    const media = await pick(pdf(size));
    expect(media.title).toBe('Größe (写真).pdf');
    await stage.expectOnly(media, pdf(size));
    expect(Object.keys(localStorage)).toEqual(['full']);
  });

  it('goes on after an answer that is lost', async () => {
    stage = await Stage.set(app, lost);
    await stage.expectOnly(await pick(), bytes);
    expect(stage.ranges()).toHaveLength(5);
  });

  it('goes on after a reload', async () => {
    stage = await Stage.set(app, lost);
    await expect(pick(bytes, 0)).rejects.toThrow();
    await stage.expectOnly(await pick(), bytes);
    expect(stage.ranges()).toHaveLength(5);
  });

  it('only completes what is there already', async () => {
    stage = await Stage.set(app, ({ path, turn }) =>
      path === COMPLETE_PATH && turn === 0 ? 'cut' : undefined,
    );
    await expect(pick()).rejects.toThrow('fetch failed');
    await stage.expectOnly(await pick(), bytes);
    expect(stage.ranges()).toHaveLength(5);
  });

  it('begins anew when the upload has expired', async () => {
    stage = await Stage.set(app, lost);
    await expect(pick(bytes, 0)).rejects.toThrow();
    await app.sql(`UPDATE upload_session SET expires_at = now() - interval '1 s' WHERE owner_id = $1`, [
      stage.owner,
    ]);
    expect(await pick()).toMatchObject({ size: 900_000 });
  });

  it('says why a file is refused', async () => {
    stage = await Stage.set(app);
    await expect(pick(Buffer.from('<!doctype html>'))).rejects.toThrow('Files of this kind are not taken');
  });
});
