import { pdf } from '../../../test/setup/samples.js';
import { TestApp } from '../../../test/setup/test-app.js';
import { uploadAll } from '../src/node.js';
import { gate, Stage } from './setup/stage.js';

const files = [1, 2, 3, 4, 5].map((n) => pdf(300_000 + n, `${n}`));

let app: TestApp;
let stage: Stage;

beforeAll(async () => {
  app = await TestApp.start();
});
afterAll(() => app.stop());
afterEach(() => stage.strike());

describe('uploadAll', () => {
  it('uploads all files, so many at once', async () => {
    stage = await Stage.set(app);
    const queue = uploadAll(files, { ...stage.options, concurrency: 2 });
    const running: number[] = [];
    for (const upload of queue.uploads) {
      upload.on('state', () => running.push(queue.uploads.filter(({ state }) => state === 'running').length));
    }
    const media = await queue.all();
    expect(media.map(({ size }) => size)).toEqual(files.map(({ length }) => length));
    expect(Math.max(...running)).toBe(2);
  });

  it('goes on with the others when one fails', async () => {
    stage = await Stage.set(app);
    const queue = uploadAll([files[0]!, Buffer.from('<!doctype html>'), files[1]!], stage.options);
    expect(await queue.settled()).toMatchObject([
      { status: 'fulfilled', value: { size: 300_001 } },
      { status: 'rejected', reason: { code: 'unsupported-content' } },
      { status: 'fulfilled', value: { size: 300_002 } },
    ]);
    await expect(queue.all()).rejects.toMatchObject({ code: 'unsupported-content' });
  });

  it('gives the place of a paused upload to the next one', async () => {
    stage = await Stage.set(app);
    const queue = uploadAll(files.slice(0, 2), { ...stage.options, concurrency: 1 });
    const [first, second] = queue.uploads;
    first!.pause();
    await second!.media;
    expect(first!.state).toBe('paused');
    first!.resume();
    await first!.media;
  });

  it('pauses, resumes and aborts all of them', async () => {
    const never = gate();
    stage = await Stage.set(app, async () => {
      await never.opened;
      return undefined;
    });
    const queue = uploadAll(files, stage.options);
    const states = () => queue.uploads.map(({ state }) => state);
    queue.pause();
    expect(states()).toEqual(Array(5).fill('paused'));
    queue.resume();
    expect(states()).toEqual(Array(5).fill('queued'));
    await queue.abort();
    expect(states()).toEqual(Array(5).fill('aborted'));
    never.open();
  });

  it('gets one fresh token for all that need it at once', async () => {
    stage = await Stage.set(app);
    const asked: (string | undefined)[] = [];
    const token = async (refused?: string) => {
      asked.push(refused);
      return refused === undefined ? 'expired' : stage.token;
    };
    await uploadAll(files, { ...stage.options, token, concurrency: 5 }).all();
    expect(asked).toEqual([undefined, 'expired']);
  });
});
