import { jpeg, pdf, png, text } from './setup/samples.js';
import { CHUNK_BYTES, Client, md5 } from './setup/client.js';
import { TestApp } from './setup/test-app.js';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await TestApp.start();
  client = await Client.of(app);
});
afterAll(() => app.stop());

/** A session with `stored` bytes of `file`. */
async function opened(file: Buffer, stored: number): Promise<string> {
  return (await client.slice(file, 0, stored)).body.upload_id;
}

describe('a chunk that opens an upload', () => {
  const file = pdf(10_000);

  it('is answered with the id, the offset as a string and the expiry', async () => {
    const { status, body, headers } = await client.slice(file, 0, 5000);
    expect(status).toBe(201);
    expect(body).toEqual({
      upload_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      offset: '5000',
      expires: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(headers.get('upload-offset')).toBe('5000');
    expect(headers.get('location')).toBe(`/api/v2/media/upload/${body.upload_id}/`);
    expect(headers.get('range')).toBeNull();
  });

  it.each(['image', 'document', 'file'])('comes in a part named %s, whatever its kind', async (part) => {
    expect((await client.slice(file, 0, 5000, undefined, { part })).status).toBe(201);
  });

  it('may have an empty upload_id, before the file part', async () => {
    expect((await client.slice(file, 0, 5000, undefined, { fields: { upload_id: '' } })).status).toBe(201);
  });

  it('may carry other fields, which mean nothing', async () => {
    const fields = { owner: '8', status: 'complete', key: 'x', csrf: 'y' };
    expect((await client.slice(file, 0, 5000, undefined, { fields })).status).toBe(201);
  });

  it('is accepted at the path without its last slash', async () => {
    const form = new FormData();
    form.append('image', new Blob([new Uint8Array(file)]), 'a.pdf');
    expect((await client.send('POST', '/api/v2/media/upload/chunk', { body: form })).status).toBe(201);
  });

  it('is the whole file when there is no Content-Range', async () => {
    const { status, body } = await client.chunk(file, { range: null });
    expect([status, body.offset]).toEqual([201, '10000']);
    expect((await client.complete(body.upload_id, md5(file))).status).toBe(201);
  });

  it('may be one byte long', async () => {
    const id = await client.upload(text(3), { chunkBytes: 1 });
    expect((await client.complete(id, md5(text(3)))).body).toMatchObject({
      type: 'doc',
      mimetype: 'text/plain',
      size: 3,
    });
  });

  it('keeps the expiry that the client asks for, up to the maximum', async () => {
    const wanted = new Date(Date.now() + 3_600_000).toISOString();
    const first = await client.slice(file, 0, 5000, undefined, { fields: { expires: wanted } });
    expect(first.body.expires).toBe(wanted);
    const second = await client.slice(file, 5000, 6000, first.body.upload_id);
    expect(second.body.expires).toBe(wanted);
    const late = new Date(Date.now() + 400 * 86_400_000).toISOString();
    const { body } = await client.slice(file, 0, 5000, undefined, { fields: { expires: late } });
    expect(Date.parse(body.expires)).toBeLessThanOrEqual(
      Date.now() + app.config.uploads.maxTtlSeconds * 1000 + 5000,
    );
  });

  it('puts the expiry off with every further chunk', async () => {
    const first = await client.slice(file, 0, 5000);
    await app.sql(`UPDATE upload_session SET expires_at = now() + interval '1 minute' WHERE id = $1`, [
      first.body.upload_id,
    ]);
    const second = await client.slice(file, 5000, 6000, first.body.upload_id);
    expect(Date.parse(second.body.expires)).toBeGreaterThan(Date.now() + 3_600_000);
  });
});

describe('a chunk [start, end) when the session stands at 4000 of 10000', () => {
  const file = pdf(10_000);
  const other = pdf(10_000, 'other');

  it('start = offset: is appended', async () => {
    const { status, body, headers } = await client.slice(file, 4000, 7000, await opened(file, 4000));
    expect([status, body.offset, headers.get('upload-replayed')]).toEqual([201, '7000', null]);
  });

  it.each([
    [0, 4000],
    [1000, 2000],
    [3999, 4000],
  ])('end ≤ offset, equal bytes [%i, %i): is a replay', async (start, end) => {
    const id = await opened(file, 4000);
    const before = await app.state();
    const { status, body, headers } = await client.slice(file, start, end, id);
    expect([status, body.offset, headers.get('upload-replayed')]).toEqual([201, '4000', '?1']);
    expect(await app.state()).toEqual(before);
  });

  it('start < offset < end, equal overlap: the rest is appended', async () => {
    const id = await opened(file, 4000);
    expect((await client.slice(file, 3000, 10_000, id)).body.offset).toBe('10000');
    expect((await client.complete(id, md5(file))).status).toBe(201);
  });

  it.each([
    [1000, 2000],
    [3000, 6000],
  ])('other bytes at [%i, %i): chunk-conflict', async (start, end) => {
    const id = await opened(file, 4000);
    const before = await app.state();
    const { status, body } = await client.slice(other, start, end, id);
    expect([status, body]).toEqual([
      409,
      expect.objectContaining({ code: 'chunk-conflict', offset: '4000' }),
    ]);
    expect(await app.state()).toEqual(before);
  });

  it('start > offset: mismatching-upload-offset', async () => {
    const { status, body } = await client.slice(file, 4001, 6000, await opened(file, 4000));
    expect(status).toBe(409);
    expect(body).toMatchObject({
      type: 'https://iana.org/assignments/http-problem-types#mismatching-upload-offset',
      title: 'Conflict',
      status: 409,
      code: 'mismatching-upload-offset',
      detail: 'Offsets do not match',
      offset: '4000',
      action: 'resume-from-offset',
      request_id: expect.any(String),
      errors: [{ message: 'Offsets do not match', code: 'mismatching-upload-offset' }],
    });
  });

  it('another total: inconsistent-upload-length', async () => {
    const id = await opened(file, 4000);
    const { status, body } = await client.chunk(file.subarray(4000, 5000), {
      uploadId: id,
      range: '4000-4999/10001',
    });
    expect([status, body.code, body.total]).toEqual([400, 'inconsistent-upload-length', '10000']);
  });

  it('no session: a start past 0 opens none', async () => {
    const before = await app.state();
    const { status, body } = await client.slice(file, 4000, 5000);
    expect([status, body.code, body.offset, body.action]).toEqual([
      409,
      'mismatching-upload-offset',
      '0',
      'restart',
    ]);
    expect(await app.state()).toEqual(before);
  });

  it('two at once, equal: one is appended, the other a replay', async () => {
    const id = await opened(file, 4000);
    const answers = await Promise.all([1, 2, 3, 4].map(() => client.slice(file, 4000, 9000, id)));
    expect(answers.map(({ status, body }) => [status, body.offset])).toEqual(Array(4).fill([201, '9000']));
    expect(answers.filter(({ headers }) => headers.get('upload-replayed')).length).toBe(3);
  });

  it('two at once, different: one is appended, the other a conflict', async () => {
    const id = await opened(file, 4000);
    const answers = await Promise.all([file, other].map((bytes) => client.slice(bytes, 4000, 9000, id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });

  it('two at once on two servers: both are stored, and one is a replay at least', async () => {
    const twin = await app.twin();
    const id = await opened(file, 4000);
    const clients = [client, new Client(twin.url, client.token)];
    const answers = await Promise.all(clients.map((one) => one.slice(file, 4000, 9000, id)));
    expect(answers.map(({ status, body }) => [status, body.offset])).toEqual(Array(2).fill([201, '9000']));
    // Both, if the second server took the bytes over before the first one had answered.
    expect(answers.map(({ headers }) => headers.get('upload-replayed'))).toContain('?1');
  });
});

describe('a chunk of a complete session', () => {
  const file = text(9000);
  let id: string;
  let mediaId: number;

  beforeAll(async () => {
    id = await client.upload(file, { chunkBytes: 4000 });
    mediaId = (await client.complete(id, md5(file))).body.id;
  });

  it('with equal bytes: is a replay', async () => {
    const { status, body, headers } = await client.slice(file, 4000, 8000, id);
    expect([status, body.offset, headers.get('upload-replayed')]).toEqual([201, '9000', '?1']);
  });

  it('otherwise: upload-complete, with the media id', async () => {
    const { status, body } = await client.slice(Buffer.alloc(9000, 'x'), 4000, 8000, id);
    expect([status, body.code, body.media_id]).toEqual([409, 'upload-complete', mediaId]);
  });
});

describe('sizes', () => {
  it('takes a chunk of exactly the limit and refuses one more byte', async () => {
    const file = pdf(CHUNK_BYTES + 1);
    expect((await client.slice(file, 0, CHUNK_BYTES)).status).toBe(201);
    const { status, body } = await client.slice(file, 0, CHUNK_BYTES + 1);
    expect([status, body.code, body.max_bytes]).toEqual([413, 'chunk-too-large', CHUNK_BYTES]);
  });

  it.each([
    ['an image of 5 MiB', () => jpeg(64, 64), 5_242_880, 201],
    ['an image of 5 MiB and a byte', () => jpeg(64, 64), 5_242_881, 413],
    ['a document of 50 MiB', () => Promise.resolve(pdf(5000)), 52_428_800, 201],
    ['a document of 50 MiB and a byte', () => Promise.resolve(pdf(5000)), 52_428_801, 413],
  ])('judges %s at chunk one', async (_, sample, total, expected) => {
    const head = await sample();
    const { status } = await client.chunk(head, { range: `0-${head.length - 1}/${total}` });
    expect(status).toBe(expected);
  });

  it('refuses a part that is not as long as its range', async () => {
    const before = await app.state();
    for (const length of [99, 101]) {
      const { status, body } = await client.chunk(pdf(length), { range: '0-99/1000' });
      expect([status, body.code, body.action]).toEqual([400, 'chunk-length-mismatch', 'resend-chunk']);
    }
    expect(await app.state()).toEqual(before);
  });
});

describe('a question about the offset', () => {
  it('is answered and changes nothing', async () => {
    const file = pdf(10_000);
    const id = await opened(file, 4000);
    const before = await app.state();
    const form = new FormData();
    form.append('upload_id', id);
    const ask = (total: number) =>
      client.send('POST', '/api/v2/media/upload/chunk/', {
        body: form,
        headers: { 'content-range': `bytes */${total}` },
      });
    expect(await ask(10_000)).toMatchObject({ status: 200, body: { upload_id: id, offset: '4000' } });
    expect(await ask(9999)).toMatchObject({ status: 400, body: { code: 'inconsistent-upload-length' } });
    expect(await app.state()).toEqual(before);
  });
});

describe('a raw body', () => {
  it.each([
    'text/plain',
    'text/csv',
    'text/markdown; charset=utf-8',
    'application/octet-stream',
    'binary/x',
    'image/png',
  ])('may say that it is %s, which proves nothing', async (type) => {
    const { status, body } = await client.send('POST', '/api/v2/media/upload/chunk/', {
      body: 'a line of text',
      headers: { 'content-type': type },
    });
    expect([status, body.offset]).toEqual([201, '14']);
  });

  it('is the chunk, with the upload_id in the query', async () => {
    const file = await png(120, 120);
    const post = (start: number, end: number, id = '') =>
      client.send('POST', `/api/v2/media/upload/chunk/?upload_id=${id}`, {
        body: new Uint8Array(file.subarray(start, end)),
        headers: {
          'content-range': `bytes ${start}-${end - 1}/${file.length}`,
          'content-type': 'application/octet-stream',
          'content-disposition': `attachment; filename="${encodeURI('grüße.png')}"`,
        },
      });
    const first = await post(0, 20_000);
    expect([first.status, first.body.offset]).toEqual([201, '20000']);
    await post(20_000, file.length, first.body.upload_id);
    const { status, body } = await client.complete(first.body.upload_id, md5(file));
    expect([status, body.title, body.mimetype]).toEqual([201, 'grüße.png', 'image/png']);
  });
});

describe('file names', () => {
  it.each([
    ['p.pdf', 'p.pdf'],
    ['blob', null],
    ['Größe 写真 🙂.pdf', 'Größe 写真 🙂.pdf'],
    ['../../etc/passwd.pdf', 'passwd.pdf'],
    ['C:\\Users\\me\\scan.pdf', 'scan.pdf'],
    ['say "hi".pdf', 'say "hi".pdf'],
    ['evil\u202Efdp.exe', 'evilfdp.exe'],
    ['tab\there.pdf', 'tabhere.pdf'],
    ['می‌خواهم.pdf', 'می‌خواهم.pdf'],
    ['family 👨‍👩‍👧.pdf', 'family 👨‍👩‍👧.pdf'],
    ['\u200eשלום\u200f.pdf', '\u200eשלום\u200f.pdf'],
    ['line\u2028end.pdf', 'lineend.pdf'],
    ['\u200b\u200d', null],
  ])('%j becomes the title %j', async (fileName, title) => {
    const file = pdf(200);
    const id = await client.upload(file, { fileName });
    expect((await client.complete(id, md5(file))).body.title).toBe(title);
  });

  const raw = async (body: Buffer, headers: Record<string, string>) => {
    const { body: chunk } = await client.send('POST', '/api/v2/media/upload/chunk/', {
      body: new Uint8Array(body),
      headers,
    });
    return (await client.status(chunk.upload_id)).body.title;
  };

  it('in Latin-1 keep their letters', async () => {
    const form = Buffer.from(
      '--b\r\nContent-Disposition: form-data; name="image"; filename="Gr\xf6\xdfe.txt"\r\n\r\nx\r\n--b--',
      'latin1',
    );
    expect(await raw(form, { 'content-type': 'multipart/form-data; boundary=b' })).toBe('Größe.txt');
  });

  it.each([
    ['filename="Gr\xf6\xdfe.txt"', 'Größe.txt'],
    [`filename="${Buffer.from('Größe 写真.txt').toString('latin1')}"`, 'Größe 写真.txt'],
    ["filename*=UTF-8''%E5%86%99.txt", '写.txt'],
    ['filename="100%.txt"', '100%.txt'],
  ])('in the header %j keep theirs', async (parameter, title) => {
    const headers = {
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; ${parameter}`,
    };
    expect(await raw(Buffer.from('x'), headers)).toBe(title);
  });
});
