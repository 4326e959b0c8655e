import { md5 } from '../../../../test/setup/client.js';
import { pdf } from '../../../../test/setup/samples.js';
import { TestApp } from '../../../../test/setup/test-app.js';
import type { Media } from '../../src/node.js';
import { recipe } from '../setup/recipe.js';
import { CHUNK_PATH, Stage } from '../setup/stage.js';

interface Recipe {
  uploadFile(
    file: File,
    options: { url: string; token: string; md5: string; uploadId?: string },
  ): Promise<Media>;
}

const bytes = pdf(900_000);
const file = new File([new Uint8Array(bytes)], 'a b.pdf');

let app: TestApp;
let stage: Stage;
let uploadFile: Recipe['uploadFile'];

beforeAll(async () => {
  ({ uploadFile } = await recipe<Recipe>('fetch'));
  app = await TestApp.start();
});
afterAll(() => app.stop());
afterEach(() => stage.strike());

const options = () => ({ url: stage.proxy.url, token: stage.token, md5: md5(bytes) });

describe('the recipe with fetch', () => {
  it('uploads a file', async () => {
    stage = await Stage.set(app);
    const media = await uploadFile(file, options());
    expect(media.title).toBe('a b.pdf');
    await stage.expectOnly(media, bytes);
  });

  it('goes on after answers that are lost', async () => {
    stage = await Stage.set(app, ({ path, turn }) =>
      path === CHUNK_PATH && [1, 3].includes(turn) ? 'cut' : undefined,
    );
    await stage.expectOnly(await uploadFile(file, options()), bytes);
    expect(stage.ranges()).toHaveLength(5);
  });

  it('goes on after an error, by the id that the error carries', async () => {
    const refused = { status: 401, headers: {}, body: Buffer.from('{"status":401,"detail":"Token"}') };
    stage = await Stage.set(app, ({ path, turn }) =>
      path === CHUNK_PATH && turn === 2 ? refused : undefined,
    );
    const error = await uploadFile(file, options()).catch((error: unknown) => error);
    expect(error).toMatchObject({ message: 'Token', uploadId: expect.stringMatching(/^[0-9a-f]{32}$/) });
    const { uploadId } = error as { uploadId: string };
    await stage.expectOnly(await uploadFile(file, { ...options(), uploadId }), bytes);
    expect(stage.ranges()).toHaveLength(6);
  });
});
