import { readdir } from 'node:fs/promises';
import { pdf, text } from './setup/samples.js';
import { Client, md5 } from './setup/client.js';
import { TestApp } from './setup/test-app.js';

let app: TestApp;
let client: Client;
let stranger: Client;

beforeAll(async () => {
  app = await TestApp.start();
  client = await Client.of(app, '7');
  stranger = await Client.of(app, '8');
});
afterAll(() => app.stop());

const path = (id: string) => `/api/v2/media/upload/${id}/`;
const file = pdf(10_000);

async function open(): Promise<string> {
  return (await client.slice(file, 0, 4000, undefined, { fileName: 'f.pdf' })).body.upload_id;
}

describe('the status of an upload', () => {
  it('tells where it stands', async () => {
    const id = await open();
    const { status, body, headers } = await client.status(id);
    expect(status).toBe(200);
    expect(body).toEqual({
      upload_id: id,
      offset: '4000',
      total: '10000',
      expires: expect.any(String),
      state: 'open',
      title: 'f.pdf',
      created_at: expect.any(String),
      media_id: null,
      rejection: null,
    });
    expect([
      headers.get('cache-control'),
      headers.get('upload-offset'),
      headers.get('upload-length'),
    ]).toEqual(['no-store', '4000', '10000']);
  });

  it('is told by HEAD in headers alone', async () => {
    const { status, headers, body } = await client.send('HEAD', path(await open()));
    expect([status, headers.get('upload-offset'), headers.get('cache-control'), body]).toEqual([
      200,
      '4000',
      'no-store',
      '',
    ]);
  });

  it('names the Media once complete', async () => {
    const id = await client.upload(file);
    const media = await client.complete(id, md5(file));
    expect((await client.status(id)).body).toMatchObject({
      state: 'complete',
      offset: '10000',
      media_id: media.body.id,
    });
  });
});

describe('the list of uploads', () => {
  it('has my open ones, newest first, in pages', async () => {
    const me = await Client.of(app, 'lister');
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.unshift((await me.slice(file, 0, 4000)).body.upload_id);
    const done = await me.upload(file);
    await me.complete(done, md5(file));
    const first = await me.send('GET', '/api/v2/media/upload/?limit=2');
    expect(first.body).toMatchObject({ count: 3, previous: null });
    expect(first.body.results.map((one: { upload_id: string }) => one.upload_id)).toEqual(ids.slice(0, 2));
    const second = await me.send('GET', first.body.next);
    expect(second.body).toMatchObject({ next: null, results: [{ upload_id: ids[2] }] });
    expect((await me.send('GET', second.body.previous)).body.results).toHaveLength(2);
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'offset=-1', 'offset=1.5'])('refuses %s', async (query) => {
    const { status, body } = await client.send('GET', `/api/v2/media/upload/?${query}`);
    expect([status, body.errors[0].field]).toEqual([400, query.split('=')[0]]);
  });
});

describe('cancelling', () => {
  it('removes the bytes, and can be repeated', async () => {
    const id = await open();
    for (let i = 0; i < 2; i++) expect((await client.send('DELETE', path(id))).status).toBe(204);
    const names = await readdir(`${app.config.dataDir}/uploads`);
    expect(names.filter((name) => name.startsWith(id))).toEqual([]);
    for (const answer of [
      await client.status(id),
      await client.slice(file, 4000, 5000, id),
      await client.complete(id, md5(file)),
    ]) {
      expect([answer.status, answer.body.code, answer.body.action]).toEqual([
        410,
        'upload-cancelled',
        'restart',
      ]);
    }
  });

  it('is refused for a complete upload, whose file stays', async () => {
    const id = await client.upload(file);
    const { body: media } = await client.complete(id, md5(file));
    expect((await client.send('DELETE', path(id))).body).toMatchObject({
      code: 'upload-complete',
      media_id: media.id,
    });
    expect((await fetch(media.url)).status).toBe(200);
  });
});

describe('an expired upload', () => {
  it('answers 410 before and after the sweep', async () => {
    const id = await open();
    await app.sql(`UPDATE upload_session SET expires_at = now() - interval '1 second' WHERE id = $1`, [id]);
    const answers = [
      await client.status(id),
      await client.slice(file, 4000, 5000, id),
      await client.complete(id, md5(file)),
    ];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(
      Array(3).fill([410, 'upload-expired']),
    );
  });
});

describe('cancelling an expired upload', () => {
  it('ends its row before its bytes go', async () => {
    const id = await open();
    await app.sql(`UPDATE upload_session SET expires_at = now() - interval '1 second' WHERE id = $1`, [id]);
    expect((await client.send('DELETE', path(id))).status).toBe(204);
    expect(await app.sql(`SELECT state FROM upload_session WHERE id = $1`, [id])).toEqual([
      { state: 'expired' },
    ]);
  });
});

describe("somebody else's upload", () => {
  it('is 404 on every verb, byte by byte like one that does not exist', async () => {
    const id = await open();
    const unknown = '0123456789abcdef'.repeat(2);
    const asks: ((id: string) => ReturnType<Client['status']>)[] = [
      (one) => stranger.status(one),
      (one) => stranger.send('DELETE', path(one)),
      (one) => stranger.slice(file, 4000, 5000, one),
      (one) => stranger.complete(one, md5(file)),
    ];
    for (const ask of asks) {
      const [foreign, missing] = [await ask(id), await ask(unknown)];
      expect(foreign.status).toBe(404);
      expect({ ...foreign.body, request_id: '' }).toEqual({ ...missing.body, request_id: '' });
    }
    expect((await client.status(id)).body.offset).toBe('4000');
  });

  it.each(['x', '0', 'G'.repeat(32), 'A'.repeat(32), '%00', '0'.repeat(33), 'null', "' OR 1=1"])(
    'the id %j is 404',
    async (id) => {
      expect((await client.status(encodeURIComponent(decodeURIComponent(id)))).status).toBe(404);
      expect((await client.slice(file, 0, 4000, decodeURIComponent(id))).status).toBe(404);
      expect((await client.complete(decodeURIComponent(id), md5(text(1)))).status).toBe(404);
    },
  );
});
