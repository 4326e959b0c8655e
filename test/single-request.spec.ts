import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import type { Caller } from '../src/audit/audit.js';
import { UploadRateLimiter } from '../src/media/uploads/limits/upload-rate-limiter.js';
import { Publisher } from '../src/media/uploads/publisher.js';
import { Client, CHUNK_BYTES } from './setup/client.js';
import { Hold, seen } from './setup/hold.js';
import { UploadStore } from '../src/media/uploads/sessions/upload-store.js';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { noise, pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';

const PATH = '/api/v2/media/';
const MEBIBYTE = 1024 * 1024;

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await TestApp.start();
});

beforeEach(async () => {
  client = await Client.of(app, `u${Math.random()}`);
});

afterAll(() => app.stop());

const form = (bytes: Buffer) => {
  const body = new FormData();
  body.append('document', new Blob([new Uint8Array(bytes)], { type: 'application/pdf' }), 'paper.pdf');
  return body;
};

const send = (bytes: Buffer, headers: Record<string, string> = {}) =>
  client.send('POST', PATH, { body: form(bytes), headers });

/** Sends a file to a host of that name. Returns the status. */
async function withHost(host: string, bytes: Buffer): Promise<number | undefined> {
  const headers = { host, authorization: `Bearer ${client.token}`, 'content-type': 'application/pdf' };
  const sent = request(new URL(PATH, app.url), { method: 'POST', headers }).end(bytes);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  await once(response.resume(), 'end');
  return response.statusCode;
}

const openUploads = async () => (await client.send('GET', '/api/v2/media/upload/')).body.count as number;

describe('a whole file in one request', () => {
  it.each([100, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * MEBIBYTE])('of %i bytes becomes a Media', async (size) => {
    const bytes = pdf(size);
    const { status, body, headers } = await send(bytes);
    expect([status, body.title, body.size]).toEqual([201, 'paper.pdf', size]);
    expect(headers.get('location')).toBe(`${PATH}${body.id}/`);
    const file = Buffer.from(await (await fetch(body.url as string)).arrayBuffer());
    expect(file.equals(bytes)).toBe(true);
    expect(await openUploads()).toBe(0);
  });

  it('may be the body itself', async () => {
    const { status, body } = await client.send('POST', PATH, {
      headers: {
        'content-type': 'application/pdf',
        'content-disposition': 'attachment; filename="own.pdf"',
      },
      body: new Uint8Array(pdf(300)),
    });
    expect([status, body.title, body.mimetype]).toEqual([201, 'own.pdf', 'application/pdf']);
  });

  it('is compared with the MD5 that its client gives', async () => {
    const bytes = pdf(CHUNK_BYTES + 7);
    const sent = (md5: string) => {
      const body = form(bytes);
      body.append('md5', md5);
      return client.send('POST', PATH, { body, headers: { 'idempotency-key': client.token.slice(-32) } });
    };
    const [wrong, malformed] = [await sent('0'.repeat(32)), await sent('abc')];
    expect([wrong.status, wrong.body.code]).toEqual([400, 'checksum-mismatch']);
    expect([malformed.status, malformed.body.errors[0].field]).toEqual([400, 'md5']);
    expect(await openUploads()).toBe(0);
    expect((await sent('')).status).toBe(201);
    expect((await sent(createHash('md5').update(bytes).digest('hex').toUpperCase())).status).toBe(200);
  });

  it('sent again with its Idempotency-Key is the same Media', async () => {
    const key = { 'idempotency-key': createHash('md5').update(client.token).digest('hex') };
    const bytes = pdf(CHUNK_BYTES * 2 + 5);
    const [first, again] = [await send(bytes, key), await send(bytes, key)];
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body.id).toBe(first.body.id);
    const { status, body } = await send(pdf(CHUNK_BYTES * 2 + 5, 'other'), key);
    expect([status, body.code]).toEqual([409, 'upload-complete']);
  });

  it('is one part, and a retry is compared with it piece by piece, at no charge', async () => {
    const key = { 'idempotency-key': client.token.slice(-32) };
    const storage = app.app.get(BlobStorage);
    const [parts, throttled] = [
      seen(storage, 'createPart', (_id: string, { length }: Buffer) => length),
      seen(app.app.get(UploadRateLimiter), 'throttle', (_caller: Caller, length: number) => length),
    ];
    const bytes = pdf(3 * MEBIBYTE);
    expect((await send(bytes, key)).status).toBe(201);
    const pieces = seen(storage, 'read', (...[, , , length]: Parameters<BlobStorage['read']>) => length);
    expect((await send(bytes, key)).status).toBe(200);
    expect({ parts, throttled, pieces }).toEqual({
      parts: [bytes.length],
      throttled: [bytes.length],
      pieces: [MEBIBYTE, MEBIBYTE, MEBIBYTE],
    });
  });

  it('may take minutes on its way to the store', async () => {
    const store = app.app.get(UploadStore);
    const findByKey = store.findByKey.bind(store);
    const now = new Date(Date.now() - 600_000);
    Object.assign(store, {
      findByKey: async (...args: Parameters<typeof findByKey>) => ({ ...(await findByKey(...args)), now }),
    });
    const { status } = await send(pdf(1000));
    Reflect.deleteProperty(store, 'findByKey');
    expect(status).toBe(201);
  });

  it.each([
    ['larger than one request may be', 5 * MEBIBYTE + 1, 'chunk-too-large'],
    ['much larger', 6 * MEBIBYTE, 'body-too-large'],
  ])('that is %s gets told what to do', async (_, size, code) => {
    const { status, body } = await send(pdf(size));
    expect([status, body.code]).toEqual([413, code]);
    expect(body.detail).toMatch(/in chunks, to \/api\/v2\/media\/upload\/chunk\/$/);
  });

  it('that is refused leaves nothing behind', async () => {
    const { status, body } = await send(noise(1000));
    expect([status, body.code]).toEqual([415, 'unsupported-content']);
    // Refused by its whole content, after it was stored.
    const image = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(CHUNK_BYTES * 2, 1)]);
    expect((await send(image)).status).toBe(415);
    expect(await openUploads()).toBe(0);
  });

  it('needs a token, a file and no range', async () => {
    expect((await client.send('POST', PATH, { body: new FormData() })).status).toBe(400);
    const ranged = await send(pdf(100), { 'content-range': 'bytes 0-99/100' });
    expect([ranged.status, ranged.body.errors[0].field]).toEqual([400, 'Content-Range']);
    expect((await send(pdf(100), { authorization: 'Bearer none' })).status).toBe(401);
  });

  it('waits where too many are in memory, and takes no memory for ever', async () => {
    const bytes = pdf(2 * MEBIBYTE);
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(bytes)));
    const codes = answers.filter(({ status }) => status !== 201).map(({ body }) => body.code as string);
    expect(codes.filter((code) => code !== 'too-many-requests' && code !== 'service-unavailable')).toEqual(
      [],
    );
    const small = await Promise.all(Array.from({ length: 20 }, () => send(pdf(300))));
    expect(small.filter(({ status }) => status !== 201)).toEqual([]);
  });

  it('takes no memory when something else is wrong with the request', async () => {
    for (let i = 0; i < 10; i++) expect(await withHost('a/b', pdf(100_000))).toBe(400);
    expect((await send(pdf(100_000))).status).toBe(201);
  });

  it('leaves memory to other users, however many one sends, and has none while it is looked at', async () => {
    const publish = Hold.on(app.app.get(Publisher), 'publish', 'before');
    const answers = Array.from({ length: 20 }, () => send(pdf(100_000)));
    await publish.reached;
    const other = await Client.of(app, 'somebody else');
    const theirs = form(pdf(100_000));
    expect(
      (await other.send('POST', PATH, { body: theirs, headers: { 'idempotency-key': 'a b' } })).status,
    ).toBe(400);
    const waiting = other.send('POST', PATH, { body: theirs });
    publish.release();
    expect((await waiting).status).toBe(201);
    for (const { status, body, headers } of (await Promise.all(answers)).filter(
      ({ status }) => status !== 201,
    ))
      expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'too-many-requests', '1']);
  });

  it('is whole although the user is over the rate by then; the next one waits', async () => {
    const limited = await app.twin({ USER_BYTES_PER_SECOND: '100000' });
    const slow = new Client(limited.url, client.token);
    const sendSlowly = () => slow.send('POST', PATH, { body: form(pdf(1_000_000)) });
    expect((await sendSlowly()).status).toBe(201);
    const { status, body, headers } = await sendSlowly();
    expect([status, body.code, Number(headers.get('retry-after')) > 1]).toEqual([429, 'rate-exceeded', true]);
    expect(await openUploads()).toBe(0);
  });

  it('sent again while the first client has gone is one Media all the same', async () => {
    const key = { 'idempotency-key': client.token.slice(-32) };
    const publish = Hold.on(app.app.get(Publisher), 'publish', 'before');
    const hangUp = new AbortController();
    const bytes = pdf(CHUNK_BYTES + 5);
    const first = client
      .send('POST', PATH, { body: form(bytes), headers: key, signal: hangUp.signal })
      .catch(() => 'gone');
    await publish.reached;
    hangUp.abort();
    expect(await first).toBe('gone');
    const again = send(bytes, key);
    publish.release();
    expect((await again).status).toBeLessThan(202);
    expect((await send(bytes, key)).status).toBe(200);
    expect((await client.send('GET', PATH)).body.count).toBe(1);
    expect(await openUploads()).toBe(0);
  });
});

it('a photo sent to the chunk endpoint in one piece gets told where to send it', async () => {
  const { status, body } = await client.chunk(pdf(MEBIBYTE), { range: null });
  expect(status).toBe(413);
  expect(body.detail).toMatch(
    /in chunks with Content-Range, or up to 5 MB in one request to \/api\/v2\/media\/$/,
  );
});
