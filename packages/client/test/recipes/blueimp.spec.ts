import { pdf } from '../../../../test/setup/samples.js';
import { TestApp } from '../../../../test/setup/test-app.js';
import { FakeStorage } from '../setup/local-storage.js';
import { recipe } from '../setup/recipe.js';
import { Stage } from '../setup/stage.js';

interface Recipe {
  mediadockOptions(options: { url: string; token: string; onError: (error: Error) => void }): {
    add(event: null, data: object): void;
  };
}

const file = new File([new Uint8Array(pdf(900_000))], 'a b.pdf', { lastModified: 1 });
const KEY = `upload a b.pdf ${file.size} 1`;

let app: TestApp;
let stage: Stage;

beforeAll(async () => {
  app = await TestApp.start();
});
afterAll(() => app.stop());
afterEach(() => stage.strike());

/** What the library is told to do with the file: the offset to go on from, or an error. */
async function add(): Promise<number | Error> {
  const { mediadockOptions } = await recipe<Recipe>('blueimp');
  return await new Promise((resolve) => {
    const data = { files: [file], uploadedBytes: 0, submit: () => resolve(data.uploadedBytes) };
    mediadockOptions({ url: stage.proxy.url, token: stage.token, onError: resolve }).add(null, data);
  });
}

describe('the recipe for blueimp-file-upload', () => {
  beforeEach(() =>
    Object.defineProperty(globalThis, 'localStorage', { value: new FakeStorage(), configurable: true }),
  );

  async function interrupted(): Promise<string> {
    const client = await stage.client();
    const { body } = await client.slice(Buffer.from(await file.arrayBuffer()), 0, 204_800);
    localStorage.setItem(KEY, body.upload_id);
    return body.upload_id;
  }

  it.each([401, 429, 503])(
    'keeps the upload when the server answers %i to the question for its offset',
    async (status) => {
      const refused = { status, headers: {}, body: Buffer.from('{}') };
      stage = await Stage.set(app, ({ method, turn }) =>
        method === 'GET' && turn === 0 ? refused : undefined,
      );
      const id = await interrupted();
      expect(await add()).toEqual(new Error(`The server answered ${status}`));
      expect(localStorage.getItem(KEY)).toBe(id);
      expect(await add()).toBe(204_800);
    },
  );

  it('begins anew when the upload was cancelled', async () => {
    stage = await Stage.set(app);
    const id = await interrupted();
    await (await stage.client()).send('DELETE', `/api/v2/media/upload/${id}/`);
    expect(await add()).toBe(0);
    expect(localStorage.getItem(KEY)).toBeNull();
  });
});
