import { jest } from '@jest/globals';
import { Publisher } from '../src/media/uploads/publisher.js';
import { UploadStore } from '../src/media/uploads/sessions/upload-store.js';
import { Digester } from '../src/media/content/digest/digester.js';
import { Client, md5, type Answer } from './setup/client.js';
import { Hold } from './setup/hold.js';
import { pdf, text } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

const PATH = '/api/v2/media/upload/complete/';
const WRONG = '0'.repeat(32);

let app: TestApp;
let client: Client;
let other: Client;

beforeAll(async () => {
  app = await TestApp.start({ USER_MAX_OPEN_UPLOADS: '1000' });
  [client, other] = [await Client.of(app), await Client.of(app, '8')];
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => app.stop());

const digests = () => jest.spyOn(app.app.get(Digester), 'digest');

/** How many times a method was called. */
const come =
  ({ mock }: { mock: { calls: unknown[] } }) =>
  () =>
    Promise.resolve(mock.calls.length);

/** Completes an upload until the client hangs up. */
function completing(uploadId: string, file: Buffer) {
  const hangUp = new AbortController();
  const ended = fetch(new URL(PATH, app.url), {
    method: 'POST',
    headers: { authorization: `Bearer ${client.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ upload_id: uploadId, md5: md5(file) }),
    signal: hangUp.signal,
  }).catch(() => undefined);
  return {
    hangUp: async () => {
      hangUp.abort();
      await ended;
    },
  };
}

describe('completions of one upload', () => {
  it('are joined: all get the answer to the first', async () => {
    const file = pdf(300_000);
    const id = await client.upload(file);
    const digest = digests();
    const publish = Hold.on(app.app.get(Publisher), 'publish', 'before');
    const find = jest.spyOn(app.app.get(UploadStore), 'find');
    const answers = Array.from({ length: 30 }, () => client.complete(id, md5(file)));
    await publish.reached;
    await until(come(find), (calls) => calls > 30);
    publish.release();
    const all = await Promise.all(answers);
    expect(all.map(({ status }) => status).sort()).toEqual([...Array<number>(29).fill(200), 201]);
    expect(new Set(all.map(({ body }) => (body as { id: number }).id)).size).toBe(1);
    expect(digest).toHaveBeenCalledTimes(1);
    expect((await client.complete(id, md5(file))).status).toBe(200);
    expect(digest).toHaveBeenCalledTimes(1);
  });

  it('read the bytes once, however often the md5 is wrong', async () => {
    const file = text(400_000);
    const id = await client.upload(file);
    const digest = digests();
    const wrong = await Promise.all(
      Array.from({ length: 10 }, (_, i) => client.complete(id, WRONG.slice(1) + i)),
    );
    wrong.push(await client.complete(id, WRONG));
    for (const { status, body } of wrong)
      expect({ status, body }).toMatchObject({
        status: 400,
        body: { code: 'checksum-mismatch', action: 'restart' },
      });
    expect((await client.complete(id, md5(file))).status).toBe(201);
    expect(digest).toHaveBeenCalledTimes(1);
  });

  it('on two servers make one Media: who finds the parts gone gets that of the other', async () => {
    const file = pdf(1000);
    const id = await client.upload(file);
    expect((await client.complete(id, WRONG)).body).toMatchObject({ code: 'checksum-mismatch' });
    const extents = Hold.on(app.app.get(UploadStore), 'extentsOf', 'before');
    const late = client.complete(id, md5(file));
    await extents.reached;
    const first = await (await Client.of(await app.twin())).complete(id, md5(file));
    extents.release();
    const { status, body } = await late;
    const { id: media } = first.body as { id: number };
    expect({ first: first.status, status, body }).toMatchObject({
      first: 201,
      status: 200,
      body: { id: media },
    });
  });

  it('are given up when nobody waits for them any more', async () => {
    const file = pdf(1000);
    const ids = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(() => client.upload(file)));
    const hold = Hold.on(app.app.get(Publisher), 'publish', 'before');
    const find = jest.spyOn(app.app.get(UploadStore), 'find');
    const requests = ids.map((id) => completing(id, file));
    await hold.reached;
    await until(come(find), (calls) => calls >= ids.length);
    await Promise.all(requests.map(({ hangUp }) => hangUp()));
    // The next one comes after those that wait.
    const last = await client.upload(file);
    const answer = client.complete(last, md5(file));
    const publish = jest.spyOn(app.app.get(Publisher), 'publish');
    hold.release();
    expect((await answer).status).toBe(201);
    const states = await Promise.all(ids.map((id) => client.status(id)));
    const completed = states.filter(({ body }) => (body as { state: string }).state === 'complete');
    expect(completed).toEqual([]);
    expect(publish.mock.calls.length).toBeLessThan(ids.length);
  });

  it('of one user are bounded, and leave room for another', async () => {
    const file = pdf(1000);
    const ids = await Promise.all(Array.from({ length: 140 }, () => client.upload(file)));
    const theirs = await other.upload(file);
    const hold = Hold.on(app.app.get(Publisher), 'publish', 'before');
    const answers: Promise<Answer>[] = ids.map((id) => client.complete(id, md5(file)));
    const refused = await Promise.race(answers);
    expect(refused).toMatchObject({ status: 429, body: { code: 'too-many-requests', action: 'wait' } });
    expect(refused.headers.get('retry-after')).toBe('1');
    const theirAnswer = other.complete(theirs, md5(file));
    hold.release();
    expect((await theirAnswer).status).toBe(201);
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([201, 429]));
    expect(statuses.filter((status) => status === 429).length).toBe(12);
  });
});
