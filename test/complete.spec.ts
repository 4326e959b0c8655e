import { readdir } from 'node:fs/promises';
import { UploadSessions } from '../src/media/uploads/sessions/upload-sessions.js';
import { failOnce } from './setup/hold.js';
import { media } from './setup/office.js';
import { jpeg, noise, pdf, text } from './setup/samples.js';
import { Client, md5 } from './setup/client.js';
import { TestApp } from './setup/test-app.js';
import { zip } from './setup/zip.js';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await TestApp.start();
  client = await Client.of(app);
});
afterAll(() => app.stop());

const PATH = '/api/v2/media/upload/complete/';

describe('completion', () => {
  it('answers the Media of a document', async () => {
    const file = pdf(500_000);
    const { status, body, headers } = await client.complete(
      await client.upload(file, { fileName: 'a b.pdf' }),
      md5(file),
    );
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/api/v2/media/${body.id}/`);
    expect(body).toEqual({
      id: expect.any(Number),
      added_at: expect.stringMatching(/Z$/),
      type: 'doc',
      title: 'a b.pdf',
      description: null,
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/files\/[0-9a-f]{32}\.pdf$/),
      image: null,
      image_width: null,
      image_height: null,
      image_mimetype: null,
      image_thumbnail: null,
      order: 0,
      embed: null,
      size: 500_000,
      mimetype: 'application/pdf',
    });
  });

  it('answers the Media of an image, with its size as a person sees it', async () => {
    const file = await jpeg(300, 200, 6);
    const { body } = await client.complete(await client.upload(file, { fileName: 'p.jpg' }), md5(file));
    expect(body).toMatchObject({
      type: 'image',
      url: null,
      image: expect.stringMatching(/\/files\/[0-9a-f]{32}\.jpg$/),
      image_width: 200,
      image_height: 300,
      image_mimetype: 'image/jpeg',
      mimetype: 'image/jpeg',
      size: Number((await fetch(body.image)).headers.get('content-length')),
    });
  });

  it.each([
    ['image', 'image'],
    ['eimage', 'eimage'],
    ['document', 'image'],
    ['file', 'image'],
    ['undefined', 'image'],
    ['', 'image'],
    ['doc', 'doc'],
  ])('type %j makes an image file a Media of type %s', async (type, expected) => {
    const file = await jpeg(20, 20);
    expect((await client.complete(await client.upload(file), md5(file), { type })).body.type).toBe(expected);
  });

  it.each(['image', 'eimage'])(
    'type %j is refused for what is no image, and the session stays open',
    async (type) => {
      const file = pdf(300);
      const id = await client.upload(file);
      const { status, body } = await client.complete(id, md5(file), { type });
      expect([status, body.code]).toEqual([400, 'not-an-image']);
      expect((await client.complete(id, md5(file))).status).toBe(201);
    },
  );

  it.each(['json', 'json behind a byte order mark', 'urlencoded', 'multipart'])(
    'takes its fields as %s, the md5 in any case',
    async (encoding) => {
      const file = text(1000);
      const fields = {
        upload_id: await client.upload(file),
        md5: md5(file).toUpperCase(),
        type: 'undefined',
      };
      const form = new FormData();
      Object.entries(fields).forEach(([name, value]) => form.append(name, value));
      const headers = { 'content-type': 'application/json' };
      const init = {
        json: { body: JSON.stringify(fields), headers },
        'json behind a byte order mark': { body: `\ufeff${JSON.stringify(fields)}`, headers },
        urlencoded: { body: new URLSearchParams(fields) },
        multipart: { body: form },
      }[encoding]!;
      expect((await client.send('POST', PATH, init)).status).toBe(201);
    },
  );

  it('again answers 200 and the same Media, also at once and on another server', async () => {
    const twin = await app.twin();
    const file = pdf(300_000);
    const id = await client.upload(file);
    const clients = [client, new Client(twin.url, client.token), client, new Client(twin.url, client.token)];
    const answers = await Promise.all(clients.map((one) => one.complete(id, md5(file))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect((await client.complete(id, md5(file))).body).toEqual(answers[0]!.body);
    expect(await app.sql(`SELECT 1 FROM media WHERE upload_id = $1`, [id])).toHaveLength(1);
  });

  it('many at once, beside replays and on two servers, answer nothing but the same Media', async () => {
    const twin = await app.twin();
    const file = text(300_000);
    const id = await client.upload(file);
    const clients = [client, new Client(twin.url, client.token)];
    const completions = Array.from({ length: 24 }, (_, i) => clients[i % 2]!.complete(id, md5(file)));
    const replays = Array.from({ length: 8 }, (_, i) => clients[i % 2]!.slice(file, 0, 204_800, id));
    const answers = await Promise.all(completions);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect((await Promise.all(replays)).map(({ status }) => status)).toEqual(Array(8).fill(201));
  });

  it('with bytes missing tells the offset and changes nothing', async () => {
    const file = pdf(5000);
    const id = (await client.slice(file, 0, 3000)).body.upload_id;
    const before = await app.state();
    const { status, body } = await client.complete(id, md5(file));
    expect([status, body.code, body.offset, body.action]).toEqual([
      409,
      'upload-incomplete',
      '3000',
      'resume-from-offset',
    ]);
    expect(await app.state()).toEqual(before);
  });

  it('with a wrong md5 leaves the session open', async () => {
    const file = pdf(5000);
    const id = await client.upload(file);
    const before = await app.state();
    const { status, body } = await client.complete(id, md5(text(1)));
    expect([status, body.code, body.errors[0].field]).toEqual([400, 'checksum-mismatch', 'md5']);
    expect(await app.state()).toEqual(before);
    expect((await client.complete(id, md5(file))).status).toBe(201);
    expect((await client.complete(id, md5(text(1)))).body.code).toBe('checksum-mismatch');
  });

  it.each([
    [{ md5: md5(text(1)) }, 'upload_id'],
    [{ upload_id: '0'.repeat(32) }, 'md5'],
    [{ upload_id: '0'.repeat(32), md5: 'abc' }, 'md5'],
    [{ upload_id: '0'.repeat(32), md5: 'z'.repeat(32) }, 'md5'],
    [{ upload_id: 7, md5: md5(text(1)) }, 'upload_id'],
    [{ upload_id: '', md5: md5(text(1)) }, 'upload_id'],
    [{ upload_id: { a: 1 }, md5: md5(text(1)) }, 'upload_id'],
    [{ upload_id: '0'.repeat(32), md5: [md5(text(1))] }, 'md5'],
  ])('%j is refused, naming %s', async (fields, field) => {
    const { status, body } = await client.send('POST', PATH, {
      body: JSON.stringify(fields),
      headers: { 'content-type': 'application/json' },
    });
    expect([status, body.errors[0].field]).toEqual([400, field]);
    expect(body.errors[0].messages[0]).toEqual({ message: expect.any(String), code: 'invalid' });
  });

  it.each([
    ['not JSON', '{', 'application/json', 400],
    ['a JSON array', '[]', 'application/json', 400],
    ['JSON null', 'null', 'application/json', 400],
    ['XML', '<a/>', 'application/xml', 415],
    ['nothing', '', 'application/json', 400],
    ['too much', `{"a":"${'x'.repeat(70_000)}"}`, 'application/json', 413],
  ])('%s as a body is refused', async (_, body, type, status) => {
    expect((await client.send('POST', PATH, { body, headers: { 'content-type': type } })).status).toBe(
      status,
    );
  });
});

describe('a file that turns out to be none that is taken', () => {
  const upload = async (file: Buffer, fileName: string) =>
    await client.upload(file, { chunkBytes: 100_000, fileName });

  it.each<[string, Buffer, string, string]>([
    [
      'text that ends in other bytes',
      Buffer.concat([text(150_000), Buffer.from([0xff, 0xfe])]),
      'a.txt',
      'unsupported-content',
    ],
    [
      'a JPEG of nothing but its head',
      Buffer.concat([Buffer.from('ffd8ffe000104a464946', 'hex'), noise(150_000)]),
      'a.jpg',
      'unreadable-image',
    ],
    [
      'an installer',
      Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), noise(150_000)]),
      'a.doc',
      'unsupported-content',
    ],
    ['a ZIP of no office', zip([media('word', 150_000)]), 'a.docx', 'unsupported-content'],
  ])(
    '%s: 415 at completion, the session is rejected and its bytes are gone',
    async (_, file, fileName, code) => {
      const id = await upload(file, fileName);
      const { status, body } = await client.complete(id, md5(file));
      expect([status, body.code]).toEqual([415, code]);
      const at = await client.status(id);
      expect([at.status, at.body.state, at.body.rejection.code]).toEqual([200, 'rejected', code]);
      const names = await readdir(`${app.config.dataDir}/uploads`);
      expect(names.filter((name) => name.startsWith(id))).toEqual([]);
      for (const answer of [await client.complete(id, md5(file)), await client.slice(file, 0, 1000, id)]) {
        expect([answer.status, answer.body.code, answer.body.reason]).toEqual([410, 'upload-rejected', code]);
      }
    },
  );
});

describe('a file that goes up', () => {
  it.each([
    ['of one byte', () => Promise.resolve(text(1))],
    ['of exactly one chunk', () => Promise.resolve(pdf(204_800))],
    ['of 20 MB', () => Promise.resolve(pdf(20_000_000))],
    ['that is a photo', () => jpeg(1600, 1200)],
  ])('%s comes back byte-identical', async (_, sample) => {
    const file = await sample();
    const { body } = await client.complete(await client.upload(file), md5(file));
    const response = await fetch(body.url ?? body.image);
    expect(Buffer.from(await response.arrayBuffer()).equals(file)).toBe(true);
  });

  it('goes on at its offset after a restart', async () => {
    const own = await TestApp.start();
    const file = pdf(600_000);
    const before = await Client.of(own);
    const id = (await before.slice(file, 0, 204_800)).body.upload_id;
    const restarted = await own.restart();
    const after = await Client.of(restarted);
    expect((await after.status(id)).body).toMatchObject({ offset: '204800', total: '600000', state: 'open' });
    await after.slice(file, 204_800, 409_600, id);
    await after.slice(file, 409_600, 600_000, id);
    expect((await after.complete(id, md5(file))).status).toBe(201);
    await restarted.stop();
  });

  it('finishes when the database was lost between publishing and the commit, and leaves no second file', async () => {
    const file = pdf(5000);
    const id = await client.upload(file);
    const names = async (area: string) => await readdir(`${app.config.dataDir}/${area}`);
    const before = (await names('files')).length;
    failOnce(app.app.get(UploadSessions), 'lock', new Error('Connection terminated unexpectedly'), 'before');
    expect((await client.complete(id, md5(file))).status).toBe(503);
    const { status, body } = await client.complete(id, md5(file));
    expect(status).toBe(201);
    expect((await names('files')).length - before).toBe(1);
    expect(Buffer.from(await (await fetch(body.url)).arrayBuffer()).equals(file)).toBe(true);
    expect((await names('uploads')).filter((name) => name.startsWith(id))).toEqual([]);
  });
});
