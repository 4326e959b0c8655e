import contentDisposition from 'content-disposition';
import { readdir } from 'node:fs/promises';
import { jpeg, pdf, text } from './setup/samples.js';
import { Client, md5 } from './setup/client.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await TestApp.start();
  client = await Client.of(app);
});
afterAll(() => app.stop());

// eslint-disable-next-line @typescript-eslint/no-explicit-any
async function media(file: Buffer, fileName?: string): Promise<any> {
  const id = await client.upload(file, fileName ? { fileName } : {});
  return (await client.complete(id, md5(file))).body;
}

describe('a Media', () => {
  it('is there for its owner, and for nobody else', async () => {
    const one = await media(pdf(400));
    expect((await client.send('GET', `/api/v2/media/${one.id}/`)).body).toEqual(one);
    const stranger = await Client.of(app, '8');
    for (const method of ['GET', 'DELETE']) {
      const foreign = await stranger.send(method, `/api/v2/media/${one.id}/`);
      const unknown = await stranger.send(method, '/api/v2/media/2000000000/');
      expect([foreign.status, foreign.body.code]).toEqual([404, 'media-not-found']);
      expect({ ...foreign.body, request_id: '' }).toEqual({ ...unknown.body, request_id: '' });
    }
  });

  it.each([
    '0',
    '-1',
    '1.5',
    'abc',
    '99999999999999999999',
    '2147483648',
    '1e3',
    '%00',
    '0x1',
    '1.0',
    '01',
    '+1',
    '%201',
  ])('the id %s is 404', async (id) => {
    expect((await client.send('GET', `/api/v2/media/${id}/`)).status).toBe(404);
  });

  it('goes with its file and its session when deleted', async () => {
    const file = pdf(500);
    const uploadId = await client.upload(file);
    const { body } = await client.complete(uploadId, md5(file));
    const before = await readdir(`${app.config.dataDir}/files`);
    expect((await client.send('DELETE', `/api/v2/media/${body.id}/`)).status).toBe(204);
    expect((await readdir(`${app.config.dataDir}/files`)).length).toBe(before.length - 1);
    expect((await fetch(body.url)).status).toBe(404);
    expect((await client.send('DELETE', `/api/v2/media/${body.id}/`)).status).toBe(404);
    expect((await client.complete(uploadId, md5(file))).status).toBe(404);
  });
});

describe('the list of media', () => {
  const PATH = '/api/v2/media/';
  const titles = ({ body }: { body: { results: { title: string }[] } }) =>
    body.results.map(({ title }) => title);
  let lister: Client;

  beforeAll(async () => {
    lister = await Client.of(app, 'lister');
    for (const name of ['Été à Paris.txt', '100% sure.txt', '100 sure.txt', 'a_b.txt', 'aXb.txt'])
      await lister.complete(await lister.upload(text(10), { fileName: name }), md5(text(10)));
    const image = await jpeg(20, 10);
    await lister.complete(await lister.upload(image, { fileName: 'i.jpg' }), md5(image));
    const [{ id }] = (await lister.send('GET', PATH)).body.results;
    await lister.send('PATCH', `${PATH}${id}/`, {
      body: new URLSearchParams({ description: 'ДОМ у моря, 50% \\o/' }),
    });
  });

  it('has mine, newest first, in pages that name their neighbours', async () => {
    const whole = await lister.send('GET', PATH);
    expect(whole.body).toMatchObject({ count: 6, next: null, previous: null });
    expect(titles(whole)[0]).toBe('i.jpg');
    const seen: string[] = [];
    let next: string | null = `${app.url}${PATH}?limit=3&type=doc`;
    let last = next;
    while (next) {
      last = next;
      const page = await lister.send('GET', next);
      expect(page.body.count).toBe(5);
      seen.push(...titles(page));
      next = page.body.next;
    }
    expect(seen).toEqual(titles(whole).slice(1));
    expect(last).toBe(`${app.url}${PATH}?limit=3&offset=3&type=doc`);
    const { previous } = (await lister.send('GET', last)).body;
    expect(previous).toBe(`${app.url}${PATH}?limit=3&offset=0&type=doc`);
    expect(titles(await lister.send('GET', previous))).toEqual(seen.slice(0, 3));
  });

  it('is one of Media', async () => {
    // Its thumbnail comes in its own time.
    const [one] = await until(
      async () => (await lister.send('GET', PATH)).body.results,
      ([first]) => first.image_thumbnail,
    );
    expect((await lister.send('GET', `${PATH}${one.id}/`)).body).toEqual(one);
  });

  it('is empty for those who have none, and 401 for those who are nobody', async () => {
    const { body } = await (await Client.of(app, 'newcomer')).send('GET', PATH);
    expect(body).toEqual({ count: 0, next: null, previous: null, results: [] });
    expect((await fetch(`${app.url}${PATH}`)).status).toBe(401);
  });

  it.each([
    ['été', ['Été à Paris.txt']],
    ['E\u0301TE\u0301', ['Été à Paris.txt']],
    ['0%', ['i.jpg', '100% sure.txt']],
    ['%', ['i.jpg', '100% sure.txt']],
    ['a_b', ['a_b.txt']],
    ['\\o', ['i.jpg']],
    ['дом у', ['i.jpg']],
    ["' OR 1=1 --", []],
    ['', null],
    [' ', null],
  ])('finds %j', async (search, found) => {
    const answer = await lister.send('GET', `${PATH}?${new URLSearchParams({ search })}`);
    expect(answer.status).toBe(200);
    if (found) expect(titles(answer)).toEqual(found);
    else expect(answer.body.count).toBe(6);
  });

  it('keeps its search in the URL of the next page', async () => {
    const { body } = await lister.send('GET', `${PATH}?limit=1&search=${encodeURIComponent('100% & ')}`);
    expect(body.count).toBe(0);
    const first = (await lister.send('GET', `${PATH}?limit=1&search=%25`)).body;
    expect(first.next).toBe(`${app.url}${PATH}?limit=1&offset=1&search=%25`);
    expect(titles(await lister.send('GET', first.next))).toEqual(['100% sure.txt']);
  });

  it.each([
    'limit=0',
    'limit=101',
    'offset=-1',
    'type=video',
    'type=doc&type=image',
    'search=%00',
    'search=a&search=b',
    `search=${'x'.repeat(256)}`,
  ])('refuses %s', async (query) => {
    const { status, body } = await lister.send('GET', `${PATH}?${query}`);
    expect([status, body.errors[0].field]).toEqual([400, query.split('=')[0]]);
  });
});

describe('changing a Media', () => {
  type Body = Record<string, unknown>;
  const json = (body: unknown) => ({
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  let path: string;
  let one: Body;

  beforeEach(async () => {
    one = await media(pdf(400), 'before.pdf');
    path = `/api/v2/media/${one['id']}/`;
    await client.send('PATCH', path, json({ description: 'old' }));
  });

  it.each<[string, Body, Body]>([
    ['PATCH', { title: 'new' }, { title: 'new', description: 'old' }],
    [
      'PATCH',
      { description: 'two\nlines\t\u{1F600}' },
      { title: 'before.pdf', description: 'two\nlines\t\u{1F600}' },
    ],
    ['PATCH', { title: null }, { title: null, description: 'old' }],
    ['PATCH', { title: '  ' }, { title: null, description: 'old' }],
    ['PATCH', { title: ' e\u0301 ' }, { title: '\u00e9', description: 'old' }],
    ['PATCH', { order: 7, id: 1, owner_id: '8', image: 'x' }, { title: 'before.pdf', description: 'old' }],
    ['PATCH', {}, { title: 'before.pdf', description: 'old' }],
    ['PATCH', { title: 'x'.repeat(255) }, { title: 'x'.repeat(255), description: 'old' }],
    ['PATCH', { title: '\u{1F600}'.repeat(255) }, { title: '\u{1F600}'.repeat(255), description: 'old' }],
    [
      'PATCH',
      { description: '\u{1F600}'.repeat(5000) },
      { title: 'before.pdf', description: '\u{1F600}'.repeat(5000) },
    ],
    ['PUT', { title: 'new', description: 'both' }, { title: 'new', description: 'both' }],
    ['PUT', { title: 'new' }, { title: 'new', description: null }],
    ['PUT', { description: 'new' }, { title: null, description: 'new' }],
    ['PUT', { title: null, description: null }, { title: null, description: null }],
    // What the platform's own library sends.
    ['PUT', { image: 'https://example.org/a.png' }, { title: 'before.pdf', description: 'old' }],
  ])('%s %j', async (method, body, after) => {
    const answer = await client.send(method, path, json(body));
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ ...one, ...after });
    expect((await client.send('GET', path)).body).toEqual(answer.body);
  });

  it.each([
    ['AC/DC 24/7', 'AC_DC 24_7.pdf'],
    ['Angebot 12/2026', 'Angebot 12_2026.pdf'],
    ['Offer 3\\4', 'Offer 3_4.pdf'],
    ['Q1/', 'Q1_.pdf'],
  ])('with a slash in the title, %s, is saved as %s', async (title, name) => {
    const { body } = await client.send('PATCH', path, json({ title }));
    expect(body.title).toBe(title);
    const { headers } = await fetch(body.url);
    expect(contentDisposition.parse(headers.get('content-disposition')!).parameters['filename']).toBe(name);
  });

  it('takes forms too', async () => {
    const form = new FormData();
    form.append('title', 'été');
    expect((await client.send('PATCH', path, { body: form })).body.title).toBe('été');
    const body = new URLSearchParams({ title: '', description: 'b' });
    expect((await client.send('PATCH', path, { body })).body).toEqual({
      ...one,
      title: null,
      description: 'b',
    });
  });

  it.each<[Body, string]>([
    [{ title: 'x'.repeat(256) }, 'title'],
    [{ title: 'a\nb' }, 'title'],
    [{ title: 'a\0b' }, 'title'],
    [{ title: 'a\u202Egpj.exe' }, 'title'],
    [{ title: 7 }, 'title'],
    [{ title: false }, 'title'],
    [{ title: { a: 1 } }, 'title'],
    [{ title: ['a'] }, 'title'],
    [{ title: '\ud800' }, 'title'],
    [{ title: 'good', description: 'x'.repeat(5001) }, 'description'],
    [{ description: '\u0007' }, 'description'],
  ])('refuses %j and changes nothing', async (body, field) => {
    const before = await app.state();
    for (const method of ['PUT', 'PATCH']) {
      const answer = await client.send(method, path, json(body));
      expect([answer.status, answer.body.errors[0].field]).toEqual([400, field]);
    }
    expect(await app.state()).toEqual(before);
  });

  it('is for its creator alone', async () => {
    const stranger = await Client.of(app, '8');
    const before = await app.state();
    for (const method of ['PUT', 'PATCH']) {
      const foreign = await stranger.send(method, path, json({ title: 'mine' }));
      const unknown = await stranger.send(method, '/api/v2/media/2000000000/', json({ title: 'mine' }));
      expect([foreign.status, foreign.body.code]).toEqual([404, 'media-not-found']);
      expect({ ...foreign.body, request_id: '' }).toEqual({ ...unknown.body, request_id: '' });
      expect((await fetch(new URL(path, app.url), { method })).status).toBe(401);
    }
    expect(await app.state()).toEqual(before);
  });

  it('by two at once loses neither', async () => {
    await Promise.all([
      client.send('PATCH', path, json({ title: 'one' })),
      client.send('PATCH', path, json({ description: 'other' })),
    ]);
    expect((await client.send('GET', path)).body).toMatchObject({ title: 'one', description: 'other' });
  });
});

describe('a click', () => {
  const clicks = async (id: number) => ({
    all: (await app.sql<{ clicks: string }>(`SELECT clicks FROM media WHERE id = $1`, [id]))[0]?.clicks,
    known: await app.sql(`SELECT user_id, clicks FROM media_click WHERE media_id = $1 ORDER BY user_id`, [
      id,
    ]),
  });

  it('is counted for everybody, and by user for those who are known', async () => {
    const { id } = await media(pdf(400));
    const path = `/api/v2/media/${id}/click/`;
    const stranger = await Client.of(app, '8');
    const ways = [
      () => fetch(new URL(path, app.url), { method: 'POST' }),
      () => new Client(app.url, 'no token').send('POST', path),
      () => stranger.send('POST', path),
      () => client.send('POST', path),
    ];
    const answers = await Promise.all([...ways, ...ways, ...ways].map((way) => way()));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(204));
    const known = ['7', '8'].map((user_id) => ({ user_id, clicks: '3' }));
    expect(await clicks(id)).toEqual({ all: '12', known });
    await client.send('DELETE', `/api/v2/media/${id}/`);
    expect(await clicks(id)).toEqual({ all: undefined, known: [] });
  });

  it('does not tell which media there are', async () => {
    const before = await app.state();
    for (const one of [client, new Client(app.url, 'no token')])
      expect((await one.send('POST', '/api/v2/media/2000000000/click/')).status).toBe(204);
    expect(await app.state()).toEqual(before);
  });

  it.each(['0', 'abc', '%00'])('on %s is 404', async (id) => {
    const before = await app.state();
    for (const one of [client, new Client(app.url, 'no token')])
      expect((await one.send('POST', `/api/v2/media/${id}/click/`)).body.code).toBe('media-not-found');
    expect(await app.state()).toEqual(before);
  });
});

describe('a file', () => {
  it('needs no token and says exactly what it is', async () => {
    const file = await jpeg(40, 30);
    const { image } = await media(file, '写真.jpg');
    const { status, headers } = await fetch(image, { headers: { origin: 'https://elsewhere.example' } });
    expect(status).toBe(200);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'image/jpeg',
      'content-length': String(file.length),
      'content-disposition': `inline; filename="??.jpg"; filename*=UTF-8''%E5%86%99%E7%9C%9F.jpg`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'cache-control': 'public, max-age=31536000, immutable',
      'accept-ranges': 'bytes',
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
      etag: expect.stringMatching(/^"[0-9a-f]{64}"$/),
    });
  });

  it('may be shown in a frame of any page, which answers of the API may not', async () => {
    const { url, id } = await media(pdf(500), 'report.pdf');
    const frames = async (address: string) => (await fetch(address)).headers.get('x-frame-options');
    expect(await frames(url)).toBeNull();
    expect(await frames(`${app.url}/api/v2/media/${id}/`)).toBe('SAMEORIGIN');
  });

  it('is an attachment unless a browser shows it safely', async () => {
    const { url } = await media(text(50), 'notes.txt');
    const { headers } = await fetch(url);
    expect([headers.get('content-disposition'), headers.get('content-type')]).toEqual([
      'attachment; filename="notes.txt"',
      'text/plain; charset=utf-8',
    ]);
  });

  it.each([
    ['bytes=0-9', 206, 'bytes 0-9/1000', [0, 10]],
    ['bytes=990-', 206, 'bytes 990-999/1000', [990, 1000]],
    ['bytes=-5', 206, 'bytes 995-999/1000', [995, 1000]],
    ['bytes=0-99999', 206, 'bytes 0-999/1000', [0, 1000]],
    ['bytes=0-1,5-6', 200, null, [0, 1000]],
    ['lines=1-2', 200, null, [0, 1000]],
  ])('Range %s → %i', async (range, status, contentRange, [start, end]) => {
    const file = pdf(1000);
    const { url } = await media(file);
    const response = await fetch(url, { headers: { range } });
    expect([response.status, response.headers.get('content-range')]).toEqual([status, contentRange]);
    expect(Buffer.from(await response.arrayBuffer()).equals(file.subarray(start, end))).toBe(true);
  });

  it('answers 412 to a condition that does not hold', async () => {
    const { url } = await media(pdf(1000));
    const response = await fetch(url, { headers: { 'if-match': '"other"' } });
    expect([response.status, (await response.json()).code]).toEqual([412, 'precondition-failed']);
  });

  it('answers 416 past its end, as a problem', async () => {
    const { url } = await media(pdf(1000));
    const response = await fetch(url, { headers: { range: 'bytes=1000-' } });
    expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */1000']);
    expect(response.headers.get('content-disposition')).toBeNull();
    expect(await response.json()).toMatchObject({ code: 'range-not-satisfiable' });
  });

  it('answers 304 to its own ETag, and the whole to a Range of another one', async () => {
    const { url } = await media(pdf(1000));
    const etag = (await fetch(url, { method: 'HEAD' })).headers.get('etag')!;
    // fetch asks past caches when it sees a condition, unless told how.
    const ask = async (headers: Record<string, string>) =>
      (await fetch(url, { headers: { 'cache-control': 'max-age=0', ...headers } })).status;
    expect(await ask({ 'if-none-match': etag })).toBe(304);
    expect(await ask({ 'if-none-match': '"other"' })).toBe(200);
    expect(await ask({ range: 'bytes=0-1', 'if-range': etag })).toBe(206);
    expect(await ask({ range: 'bytes=0-1', 'if-range': '"other"' })).toBe(200);
  });

  it('has a date, which conditions may name', async () => {
    const { url, added_at } = await media(pdf(1000));
    const added = new Date(added_at).toUTCString();
    const earlier = new Date(Date.parse(added_at) - 86_400_000).toUTCString();
    const ask = async (headers: Record<string, string>) =>
      (await fetch(url, { headers: { 'cache-control': 'max-age=0', ...headers } })).status;
    expect((await fetch(url)).headers.get('last-modified')).toBe(added);
    expect(await ask({ 'if-modified-since': added })).toBe(304);
    expect(await ask({ 'if-modified-since': earlier })).toBe(200);
    expect(await ask({ 'if-unmodified-since': earlier })).toBe(412);
    expect(await ask({ range: 'bytes=0-1', 'if-range': added })).toBe(206);
    expect(await ask({ range: 'bytes=0-1', 'if-range': earlier })).toBe(200);
    const later = new Date(Date.parse(added_at) + 86_400_000).toUTCString();
    expect(await ask({ range: 'bytes=0-1', 'if-range': later })).toBe(200);
  });

  it('answers HEAD with the headers of GET and no bytes', async () => {
    const { url } = await media(pdf(1000));
    const [head, get] = [await fetch(url, { method: 'HEAD' }), await fetch(url)];
    const headers = ({ headers }: Response) =>
      Object.fromEntries(
        [...headers].filter(([name]) => !['date', 'x-request-id', 'connection', 'keep-alive'].includes(name)),
      );
    expect(headers(head)).toEqual(headers(get));
    expect([head.headers.get('content-length'), (await head.arrayBuffer()).byteLength]).toEqual(['1000', 0]);
    for (const range of ['bytes=0-1', 'bytes=5000-'])
      expect((await fetch(url, { method: 'HEAD', headers: { range } })).status).toBe(200);
  });

  it('can be read in parts by pages of other origins', async () => {
    const { url } = await media(pdf(1000));
    const { headers } = await fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'range',
      },
    });
    expect(headers.get('access-control-allow-headers')).toMatch(/\bRange\b/);
    expect((await fetch(url)).headers.get('access-control-expose-headers')).toMatch(
      /Content-Range.*Accept-Ranges/,
    );
  });

  it('is a PDF that its viewer may show, under its own name', async () => {
    const { url } = await media(pdf(1000), 'отчёт "2026".pdf');
    const { headers } = await fetch(url);
    expect(headers.get('content-security-policy')).toBeNull();
    expect(headers.get('content-disposition')).toBe(
      `inline; filename="????? \\"2026\\".pdf"; filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82%20%222026%22.pdf`,
    );
  });

  it.each(['x', '0'.repeat(32), `${'0'.repeat(32)}.pdf`, '..%2f..%2fjwt-secret', '%00', '%ff'])(
    '%s is 404 or 400',
    async (name) => {
      const { status, body } = await client.send('GET', `/files/${name}`);
      expect([400, 404]).toContain(status);
      expect(body.status).toBe(status);
    },
  );
});
