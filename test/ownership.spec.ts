import { Client, md5 } from './setup/client.js';
import { guardedOperations } from './setup/operations.js';
import { pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';

const UNKNOWN_UPLOAD = '0123456789abcdef0123456789abcdef';
const UNKNOWN_MEDIA = '2147483000';
const file = pdf(1000);

let app: TestApp;
let stranger: Client;
let uploadId: string;
let mediaId: string;

beforeAll(async () => {
  app = await TestApp.start();
  const owner = await Client.of(app, '7');
  stranger = await Client.of(app, '8');
  uploadId = (await owner.slice(file, 0, 500)).body.upload_id;
  mediaId = String((await owner.complete(await owner.upload(file), md5(file))).body.id);
});
afterAll(() => app.stop());

/** Status, headers that tell something, and body, without what names the request itself. */
async function answer(
  method: string,
  path: string,
  init: { headers?: Record<string, string>; body?: BodyInit },
) {
  const headers = { authorization: `Bearer ${stranger.token}`, ...init.headers };
  const response = await fetch(new URL(path, app.url), { method, ...init, headers });
  const named = ['date', 'x-request-id', 'keep-alive'];
  const told = [...response.headers].filter(([name]) => !named.includes(name));
  return { status: response.status, told, body: (await response.text()).replace(/"request_id":"[^"]+"/, '') };
}

it('what is somebody else’s is as unknown as what does not exist, to every operation', async () => {
  const before = await app.state();
  const asked = guardedOperations(app).filter(([, path]) => /\{(upload_id|id)\}/.test(path));
  expect(asked.length).toBeGreaterThanOrEqual(4);
  for (const [method, path] of [...asked, ['HEAD', '/api/v2/media/upload/{upload_id}/'] as const]) {
    const at = (upload: string, media: string) => path.replace('{upload_id}', upload).replace('{id}', media);
    const init = {
      headers: { 'content-type': 'application/json' },
      ...(/^P/.test(method) && { body: '{"title":"x"}' }),
    };
    const foreign = await answer(method, at(uploadId, mediaId), init);
    const unknown = await answer(method, at(UNKNOWN_UPLOAD, UNKNOWN_MEDIA), init);
    expect([method, path, foreign.status]).toEqual([method, path, 404]);
    expect(foreign).toEqual(unknown);
  }
  expect(await app.state()).toEqual(before);
});

it('also where the body names it', async () => {
  const before = await app.state();
  const sent = (upload_id: string) => {
    const form = new FormData();
    form.set('upload_id', upload_id);
    form.set('image', new Blob([Uint8Array.from(file.subarray(500))]), 'a.pdf');
    return { headers: { 'content-range': 'bytes 500-999/1000' }, body: form };
  };
  const asked = (upload_id: string) => ({
    headers: { 'content-range': 'bytes */1000', 'content-type': 'multipart/form-data; boundary=b' },
    body: `--b\r\nContent-Disposition: form-data; name="upload_id"\r\n\r\n${upload_id}\r\n--b--\r\n`,
  });
  const completed = (upload_id: string) => ({ body: new URLSearchParams({ upload_id, md5: md5(file) }) });
  for (const [path, init] of [
    ['chunk', sent],
    ['chunk', asked],
    ['complete', completed],
  ] as const) {
    const foreign = await answer('POST', `/api/v2/media/upload/${path}/`, init(uploadId));
    expect([path, foreign.status]).toEqual([path, 404]);
    expect(foreign).toEqual(await answer('POST', `/api/v2/media/upload/${path}/`, init(UNKNOWN_UPLOAD)));
  }
  expect(await app.state()).toEqual(before);
});

it('members that a client has no say in have no effect', async () => {
  const client = await Client.of(app, '9');
  const fields = {
    owner: '7',
    owner_id: '7',
    user_id: '7',
    status: 'complete',
    state: 'complete',
    key: 'x',
    id: UNKNOWN_UPLOAD,
  };
  const opened = await client.chunk(file.subarray(0, 500), { range: '0-499/1000', fields });
  expect(opened.body.upload_id).not.toBe(UNKNOWN_UPLOAD);
  expect((await client.status(opened.body.upload_id)).body).toMatchObject({ offset: '500', total: '1000' });
  await client.slice(file, 500, 1000, opened.body.upload_id);
  const more = { owner_id: '7', key: 'x', size: 1, added_at: '1970-01-01T00:00:00Z', mimetype: 'image/png' };
  const { body } = await client.complete(opened.body.upload_id, md5(file), more);
  expect(body).toMatchObject({ size: 1000, mimetype: 'application/pdf' });
  expect((await (await Client.of(app, '7')).send('GET', `/api/v2/media/${body.id}/`)).status).toBe(404);
});
