import { Client, md5, type Answer } from './setup/client.js';
import { pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';

let app: TestApp;
let client: Client;
const file = pdf(1000);

beforeEach(async () => {
  // Its own secret makes it a server for trying out, with X-Fault.
  app = await TestApp.start({ JWT_SECRET: '' });
  client = await Client.of(app);
});
afterEach(() => app.stop());

function first(by = client, key = 'a-key', bytes = file, more: Record<string, string> = {}): Promise<Answer> {
  return by.slice(bytes, 0, 500, undefined, { headers: { 'idempotency-key': key, ...more } });
}

const sessions = async () => (await app.sql(`SELECT id FROM upload_session`)).length;

it('a first chunk whose answer was lost opens no second upload', async () => {
  await expect(first(client, 'a-key', file, { 'x-fault': 'lost-answer' })).rejects.toThrow();
  const { status, body, headers } = await first();
  expect([status, body.offset, headers.get('upload-replayed')]).toEqual([201, '500', '?1']);
  expect(await sessions()).toBe(1);
  expect((await client.slice(file, 500, 1000, body.upload_id)).status).toBe(201);
  expect((await client.complete(body.upload_id, md5(file))).status).toBe(201);
});

it('ten first chunks at once, on two servers, open one', async () => {
  const twin = await Client.of(await app.twin());
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => first(i % 2 ? client : twin)));
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 201));
  expect(new Set(answers.map(({ body }) => body.upload_id as string)).size).toBe(1);
  expect(await sessions()).toBe(1);
});

it('after the upload is complete the key still names it', async () => {
  const id = (await first()).body.upload_id as string;
  await client.slice(file, 500, 1000, id);
  await client.complete(id, md5(file));
  const { status, body } = await first();
  expect([status, body.upload_id, body.offset]).toEqual([201, id, '1000']);
});

it('an upload that has expired leaves its key to the next, though nobody has swept it', async () => {
  const id = (await first()).body.upload_id as string;
  await app.sql(`UPDATE upload_session SET expires_at = now() - interval '1 second'`);
  const again = await first();
  expect([again.status, again.body.upload_id === id, again.body.offset]).toEqual([201, false, '500']);
  expect((await client.status(id)).status).toBe(410);
});

it('another user’s key is another key', async () => {
  const id = (await first()).body.upload_id as string;
  expect((await first(await Client.of(app, '8'))).body.upload_id).not.toBe(id);
});

it('the same key with another file is refused, and changes nothing', async () => {
  await first();
  const before = await app.state();
  expect((await first(client, 'a-key', pdf(1000, 'other'))).body.code).toBe('chunk-conflict');
  expect((await first(client, 'a-key', pdf(2000))).body.code).toBe('inconsistent-upload-length');
  expect(await app.state()).toEqual(before);
});

it('an upload that is cancelled leaves its key to the next', async () => {
  const id = (await first()).body.upload_id as string;
  await client.send('DELETE', `/api/v2/media/upload/${id}/`);
  const again = await first();
  expect([again.status, again.body.upload_id === id]).toEqual([201, false]);
});

it.each(['', 'a b', 'x'.repeat(256), 'ä'])('the key "%s" is refused', async (key) => {
  const { status, body } = await first(client, Buffer.from(key).toString('latin1'));
  expect([status, body.errors[0].field]).toEqual([400, 'Idempotency-Key']);
  expect(await sessions()).toBe(0);
});
