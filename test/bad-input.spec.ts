import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { pdf } from './setup/samples.js';
import { Client, md5 } from './setup/client.js';
import { TestApp } from './setup/test-app.js';

let app: TestApp;
let client: Client;
let before: unknown;
let opened: number;

beforeAll(async () => {
  // With all that is for trying out.
  app = await TestApp.start({ JWT_SECRET: '' });
  client = await Client.of(app);
  await client.slice(pdf(1000), 0, 500);
  [before, opened] = [await app.state(), await app.openFiles()];
});
// Whatever was sent: the one session that was there is as it was, nothing is beside it, and nothing was left open.
afterEach(async () => {
  expect(await app.state()).toEqual(before);
  expect(await app.openFiles()).toBeLessThanOrEqual(opened);
});
afterAll(() => app.stop());

const CHUNK = '/api/v2/media/upload/chunk/';
const file = pdf(1000);

describe('Content-Range', () => {
  it.each([
    '',
    'bytes',
    'bytes 0-99',
    'bytes 0-99/',
    'bytes 0-99/*',
    'bytes 0-/100',
    'bytes -99/100',
    'bytes 99-0/100',
    'bytes 0-100/100',
    'bytes 0-99/99',
    'bytes +0-99/100',
    'bytes 0--99/100',
    'bytes 00-99/100',
    'bytes 0-099/100',
    'bytes 0-99/0100',
    'bytes 0x0-0x63/100',
    'bytes 0-9e1/100',
    'bytes 0.0-99/100',
    'bytes  0-99/100',
    'bytes 0 - 99/100',
    'bytes=0-99/100',
    'Bytes 0-99/100',
    'items 0-99/100',
    'bytes 0-99/100, bytes 0-99/100',
    'bytes 0-99/100;x=1',
    'bytes 0-99/9007199254740993',
    'bytes 0-99/99999999999999999999',
    'bytes 9007199254740993-9007199254740993/9007199254740994',
    'bytes */0',
    'bytes */',
    'bytes */*',
    'bytes 0-99/NaN',
    'bytes 0-99/Infinity',
    'bytes null-99/100',
    '0-99/100',
  ])('%j is malformed', async (value) => {
    const { status, body } = await client.chunk(pdf(100), {
      range: null,
      headers: { 'content-range': value },
    });
    expect([status, body.code, body.errors[0].field]).toEqual([
      400,
      'malformed-content-range',
      'Content-Range',
    ]);
  });

  it('is needed with an upload_id', async () => {
    const { status, body } = await client.chunk(pdf(100), { range: null, uploadId: '0'.repeat(32) });
    expect([status, body.code]).toEqual([400, 'missing-content-range']);
  });

  it('as a question needs an upload_id and no file', async () => {
    const headers = { 'content-range': 'bytes */1000' };
    expect((await client.send('POST', CHUNK, { headers })).body.errors[0].field).toBe('upload_id');
    const { body } = await client.chunk(pdf(100), { range: '*/1000', uploadId: '0'.repeat(32) });
    expect(body.errors[0].field).toBe('Content-Range');
  });
});

describe('fields', () => {
  it.each([
    ['offset', '1'],
    ['offset', '00'],
    ['offset', '-0'],
    ['offset', 'x'],
    ['expires', 'tomorrow'],
    ['expires', '2030-01-01'],
    ['expires', '2030-01-01T00:00:00'],
    ['expires', '2020-01-01T00:00:00Z'],
    ['expires', '1893456000'],
    ['expires', '2030-13-01T00:00:00Z'],
    ['expires', '2030-02-31T00:00:00Z'],
    ['expires', '+275761-01-01T00:00:00Z'],
  ])('%s = %j is refused', async (name, value) => {
    const { status, body } = await client.slice(file, 0, 500, undefined, { fields: { [name]: value } });
    expect([status, body.errors[0].field]).toEqual([400, name]);
  });
});

/** A multipart body written by hand; lines end in CRLF. */
describe('a raw body', () => {
  it.each(['application/x-www-form-urlencoded', 'application/octet-stream', 'text/plain', 'application/pdf'])(
    'of type %s that is a form is refused, and nothing is stored',
    async (type) => {
      const form = new FormData();
      form.append('image', new Blob([new Uint8Array(pdf(1000))], { type: 'application/pdf' }), 'a.pdf');
      const body = Buffer.from(await new Response(form).arrayBuffer());
      const range = { 'content-range': `bytes 0-${body.length - 1}/${body.length}` };
      for (const [path, headers] of [
        [CHUNK, {}],
        [CHUNK, range],
        ['/api/v2/media/', {}],
      ] as const) {
        const answer = await client.send('POST', path, {
          headers: { 'content-type': type, ...headers },
          body,
        });
        expect([answer.status, answer.body.code]).toEqual([415, 'unsupported-body']);
        expect(answer.body.detail).toMatch(/is a form/);
      }
    },
  );

  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/problem+json',
    'text/json',
    'application/x-ndjson',
    'application/xml',
    'text/xml',
    'image/svg+xml',
    'text/html',
    'application/xhtml+xml',
    'text/javascript',
    'application/javascript',
    'application/graphql',
    'application/cbor',
    'video/mp4',
    'audio/mpeg',
    'font/woff2',
  ])('of type %s is refused with what to send instead', async (type) => {
    for (const path of [CHUNK, `${CHUNK}?upload_id=${'0'.repeat(32)}`]) {
      const { status, body } = await client.send('POST', path, {
        headers: { 'content-type': type, 'content-range': 'bytes 0-11/12' },
        body: '{"image":{}}',
      });
      expect([status, body.code, body.action]).toEqual([415, 'unsupported-body', 'fix-request']);
      expect(body.detail).toMatch(/multipart\/form-data.*application\/octet-stream/);
    }
  });
});

function raw(...lines: string[]): string {
  return lines.join('\r\n');
}

const PDF = file
  .subarray(0, 15)
  .toString('latin1')
  .replace(/[^\x20-\x7e]/g, '-');
const DISPOSITION = 'Content-Disposition: form-data; name="image"; filename="a.pdf"';
const B = '----b';

describe('multipart', () => {
  it.each<[string, string, string, string]>([
    ['no boundary', 'multipart/form-data', raw(`--${B}`, DISPOSITION, '', PDF, `--${B}--`), 'bad-boundary'],
    ['an empty boundary', 'multipart/form-data; boundary=', raw(`--${B}--`), 'bad-boundary'],
    ['two boundaries', `multipart/form-data; boundary=${B}; boundary=x`, raw(`--${B}--`), 'bad-boundary'],
    [
      'a boundary of 71 characters',
      `multipart/form-data; boundary=${'b'.repeat(71)}`,
      raw(`--${B}--`),
      'bad-boundary',
    ],
    [
      'another boundary',
      `multipart/form-data; boundary=x`,
      raw(`--${B}`, DISPOSITION, '', PDF, `--${B}--`),
      'bad-boundary',
    ],
    [
      'multipart/mixed',
      `multipart/mixed; boundary=${B}`,
      raw(`--${B}`, DISPOSITION, '', PDF, `--${B}--`),
      'unsupported-multipart',
    ],
    ['an empty body', `multipart/form-data; boundary=${B}`, '', 'bad-boundary'],
    [
      'a preamble',
      `multipart/form-data; boundary=${B}`,
      raw('hello', `--${B}`, DISPOSITION, '', PDF, `--${B}--`),
      'bad-boundary',
    ],
    [
      'no last boundary',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, DISPOSITION, '', PDF),
      'truncated-multipart',
    ],
    [
      'a cut last boundary',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, DISPOSITION, '', PDF, `--${B}`),
      'bad-boundary',
    ],
    ['a cut head', `multipart/form-data; boundary=${B}`, raw(`--${B}`, DISPOSITION), 'truncated-multipart'],
    [
      'bytes after the end',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, DISPOSITION, '', PDF, `--${B}--`, 'more'),
      'trailing-bytes',
    ],
    [
      'no name',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, 'Content-Disposition: form-data; filename="a"', '', PDF, `--${B}--`),
      'bad-part-header',
    ],
    [
      'an empty name',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, 'Content-Disposition: form-data; name=""', '', PDF, `--${B}--`),
      'bad-part-header',
    ],
    [
      'two names',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, 'Content-Disposition: form-data; name="a"; name="b"', '', PDF, `--${B}--`),
      'bad-part-header',
    ],
    [
      'an attachment',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, 'Content-Disposition: attachment; name="image"', '', PDF, `--${B}--`),
      'bad-part-header',
    ],
    [
      'no disposition',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, 'Content-Type: text/plain', '', PDF, `--${B}--`),
      'bad-part-header',
    ],
    [
      'two dispositions',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, DISPOSITION, DISPOSITION, '', PDF, `--${B}--`),
      'bad-part-header',
    ],
    [
      'a bad filename*',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, `${DISPOSITION}; filename*=utf-8''%zz`, '', PDF, `--${B}--`),
      'bad-part-header',
    ],
    [
      'a folded header',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, 'Content-Disposition: form-data;', ' name="image"', '', PDF, `--${B}--`),
      'bad-part-header',
    ],
    [
      'a base64 part',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, DISPOSITION, 'Content-Transfer-Encoding: base64', '', PDF, `--${B}--`),
      'encoded-part',
    ],
    [
      'a long head',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, DISPOSITION, `X: ${'x'.repeat(5000)}`, '', PDF, `--${B}--`),
      'part-header-too-large',
    ],
    [
      'the same part twice',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, DISPOSITION, '', PDF, `--${B}`, DISPOSITION, '', PDF, `--${B}--`),
      'duplicate-part',
    ],
    [
      'two files',
      `multipart/form-data; boundary=${B}`,
      raw(
        `--${B}`,
        DISPOSITION,
        '',
        PDF,
        `--${B}`,
        DISPOSITION.replace('image', 'document'),
        '',
        PDF,
        `--${B}--`,
      ),
      'ambiguous-chunk',
    ],
    [
      'no file',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, 'Content-Disposition: form-data; name="upload_id"', '', '', `--${B}--`),
      'missing-chunk',
    ],
    ['no parts', `multipart/form-data; boundary=${B}`, raw(`--${B}--`), 'missing-chunk'],
    [
      'an empty file',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, DISPOSITION, '', '', `--${B}--`),
      'missing-chunk',
    ],
    [
      'a file by another name',
      `multipart/form-data; boundary=${B}`,
      raw(`--${B}`, DISPOSITION.replace('"image"', '"__proto__"'), '', PDF, `--${B}--`),
      'missing-chunk',
    ],
    [
      '33 parts',
      `multipart/form-data; boundary=${B}`,
      raw(
        ...Array.from({ length: 33 }, (_, i) =>
          raw(`--${B}`, `Content-Disposition: form-data; name="f${i}"`, '', 'x'),
        ),
        `--${B}--`,
      ),
      'too-many-parts',
    ],
  ])('with %s is refused', async (_, type, body, code) => {
    const answer = await client.send('POST', CHUNK, { body, headers: { 'content-type': type } });
    expect([answer.status, answer.body.code]).toEqual([400, code]);
  });

  it('is refused when it is larger than a chunk and its fields can be', async () => {
    const body = new Uint8Array(300_000);
    const { status, body: problem } = await client.send('POST', CHUNK, { body });
    expect([status, problem.code]).toEqual([413, 'body-too-large']);
  });

  it('is refused in a Content-Encoding', async () => {
    const { status, body } = await client.slice(file, 0, 500, undefined, {
      headers: { 'content-encoding': 'gzip' },
    });
    expect([status, body.code]).toEqual([415, 'unsupported-body']);
  });
});

describe('content that is not taken', () => {
  it.each<[string, Buffer, string | null]>([
    ['HTML', Buffer.from('  <!DOCTYPE html><script>alert(1)</script>'.padEnd(300)), 'text/html'],
    [
      'SVG',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'.padEnd(300)),
      'image/svg+xml',
    ],
    [
      'SVG behind an XML declaration',
      Buffer.from('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'.padEnd(300)),
      'image/svg+xml',
    ],
    ['an EXE', Buffer.concat([Buffer.from('MZ'), Buffer.alloc(298)]), 'application/x-msdownload'],
    ['an ELF', Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01'), Buffer.alloc(293)]), 'application/x-elf'],
    ['nothing known', Buffer.alloc(300, 0x80), null],
  ])('%s called photo.jpg is refused at chunk one', async (_, bytes, detected) => {
    const { status, body } = await client.slice(bytes, 0, bytes.length, undefined, { fileName: 'photo.jpg' });
    expect([status, body.code, body.detected, body.declared]).toEqual([
      415,
      'unsupported-content',
      detected,
      'photo.jpg',
    ]);
    expect(body.allowed).toContain('image/png');
  });
});

describe('requests that are none', () => {
  it.each([
    ['GET', '/nowhere'],
    ['GET', '/api/v2/media/upload/chunk/nowhere/'],
    ['POST', '/'],
    ['GET', '/api/v2/media/%E0%A4%A'],
    ['PUT', '/api/v2/media/upload/chunk/'],
    ['PATCH', '/health/live'],
    ['GET', '/api/docs/../../etc/passwd'],
  ])('%s %s is answered as a problem', async (method, path) => {
    const { status, body, headers } = await client.send(method, path);
    expect([400, 404, 405]).toContain(status);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(body).toMatchObject({ status, action: 'fix-request', request_id: headers.get('x-request-id') });
  });

  it.each([
    ['nonsense', 'nonsense\r\n\r\n', 400, 'malformed-request'],
    ['a head of 20 kB', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers-too-large'],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
      'malformed-request',
    ],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'malformed-request',
    ],
  ])('%s is answered as a problem too', async (_, bytes, status, code) => {
    const { hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    socket.write(bytes);
    let answer = '';
    for await (const piece of socket) answer += piece;
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(answer.slice(answer.indexOf('{')))).toMatchObject({
      status,
      code,
      action: 'fix-request',
    });
  });

  it('a connection that ends in mid-chunk leaves nothing', async () => {
    const { hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    socket.resume();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const head = [
      `POST ${CHUNK} HTTP/1.1`,
      'Host: x',
      `Authorization: Bearer ${client.token}`,
      'Content-Range: bytes 0-499/1000',
      'Content-Type: application/octet-stream',
      'Content-Length: 500',
      '',
      '',
    ].join('\r\n');
    socket.end(Buffer.concat([Buffer.from(head), file.subarray(0, 300)]));
    await closed;
    expect((await client.send('GET', '/health/live')).status).toBe(200);
  });
});

describe('a completion', () => {
  const id = '0'.repeat(32);
  const right = '0'.repeat(32);

  it.each<[object, string]>([
    [{}, 'upload_id'],
    [{ md5: right }, 'upload_id'],
    [{ upload_id: '', md5: right }, 'upload_id'],
    [{ upload_id: null, md5: right }, 'upload_id'],
    [{ upload_id: 7, md5: right }, 'upload_id'],
    [{ upload_id: true, md5: right }, 'upload_id'],
    [{ upload_id: [id], md5: right }, 'upload_id'],
    [{ upload_id: { id }, md5: right }, 'upload_id'],
    [{ upload_id: id }, 'md5'],
    [{ upload_id: id, md5: '' }, 'md5'],
    [{ upload_id: id, md5: null }, 'md5'],
    [{ upload_id: id, md5: 7 }, 'md5'],
    [{ upload_id: id, md5: [right] }, 'md5'],
    [{ upload_id: id, md5: { right } }, 'md5'],
    [{ upload_id: id, md5: '0'.repeat(31) }, 'md5'],
    [{ upload_id: id, md5: '0'.repeat(33) }, 'md5'],
    [{ upload_id: id, md5: 'g'.repeat(32) }, 'md5'],
    [{ upload_id: id, md5: ` ${'0'.repeat(31)}` }, 'md5'],
    [{ upload_id: id, md5: `${right}\n` }, 'md5'],
    [{ upload_id: id, md5: '٠'.repeat(32) }, 'md5'],
  ])('of %j is refused', async (fields, field) => {
    const { status, body } = await complete(JSON.stringify(fields));
    expect([status, body.errors[0].field]).toEqual([400, field]);
  });

  it.each([
    ['null', 400, 'malformed-body'],
    ['[]', 400, 'malformed-body'],
    ['"x"', 400, 'malformed-body'],
    ['1', 400, 'malformed-body'],
    ['{', 400, 'malformed-body'],
    ['{"upload_id":"x",}', 400, 'malformed-body'],
    ["{'upload_id':'x'}", 400, 'malformed-body'],
    [`{"upload_id":"${id}","md5":"${right}"}`, 404, 'upload-not-found'],
    [`{"upload_id":"../../etc/passwd","md5":"${right}"}`, 404, 'upload-not-found'],
    [`{"upload_id":"a\\u0000b","md5":"${right}"}`, 404, 'upload-not-found'],
    [`{"upload_id":"' OR 1=1 --","md5":"${right}"}`, 404, 'upload-not-found'],
    [' '.repeat(70_000), 413, 'body-too-large'],
  ])('by the body %j is refused', async (text, status, code) => {
    const answer = await complete(text);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  async function complete(body: string) {
    const headers = { 'content-type': 'application/json' };
    return await client.send('POST', '/api/v2/media/upload/complete/', { headers, body });
  }
});

describe('addresses', () => {
  it.each([
    'upload/?limit=0',
    'upload/?limit=-1',
    'upload/?limit=x',
    'upload/?limit=1.5',
    'upload/?limit=1001',
    'upload/?limit=1&limit=2',
    'upload/?offset=-1',
    'upload/?offset=x',
    'upload/?offset=1e400',
    '?limit=0',
    '?limit=%00',
    '?offset=99999999999999999999',
    '?type=video',
    '?type=image&type=doc',
    '?search=%00',
  ])('%s is refused', async (path) => {
    const { status, body } = await client.send('GET', `/api/v2/media/${path}`);
    expect([status, body.action]).toEqual([400, 'fix-request']);
  });

  it.each([
    'upload/0/',
    `upload/${'0'.repeat(31)}/`,
    `upload/${'0'.repeat(33)}/`,
    `upload/${'A'.repeat(32)}/`,
    `upload/${'%00'.repeat(32)}/`,
    '0/',
    '-1/',
    'x/',
    '1e3/',
    '01/',
    '9999999999999999999999/',
    '%2e%2e/',
  ])('%s names nothing', async (path) => {
    expect((await client.send('GET', `/api/v2/media/${path}`)).status).toBe(404);
  });
});

describe('Idempotency-Key', () => {
  it.each(['a b', 'a, b', 'x'.repeat(256), 'sch\u00f6n', 'tab\there'])('%j is no key', async (key) => {
    const { status, body } = await client.slice(file, 0, 500, undefined, {
      headers: { 'idempotency-key': key },
    });
    expect([status, body.errors[0].field]).toEqual([400, 'Idempotency-Key']);
  });
});

describe('JSON that nests without end', () => {
  it.each(['/api/v2/media/upload/complete/', '/api/v2/dev/token/'])('is refused at %s', async (path) => {
    const body = `{"user_id":${'['.repeat(9000)}${']'.repeat(9000)},"x":${'['.repeat(9000)}${']'.repeat(9000)}}`;
    const { status } = await client.send('POST', path, {
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect([201, 400]).toContain(status);
  });
});

/** Headers that pages may read anyway, and those for browsers and proxies alone. */
const OTHERS =
  /^(cache-control|content-type|content-length|last-modified|date|connection|keep-alive|transfer-encoding|vary|access-control-.*|cross-origin-.*|content-security-policy|referrer-policy|x-content-type-options|x-frame-options)$/;

describe('other origins', () => {
  /** The headers that a page may send, in lower case. */
  async function allowed({ url }: TestApp): Promise<string[]> {
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'POST' };
    const response = await fetch(new URL(CHUNK, url), { method: 'OPTIONS', headers });
    return response.headers.get('access-control-allow-headers')!.toLowerCase().split(',');
  }

  it('may ask and read what an upload needs, without a token for the question', async () => {
    const response = await fetch(new URL(CHUNK, app.url), {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers':
          'authorization,content-range,content-disposition,content-type,idempotency-key',
      },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    const allowed = response.headers.get('access-control-allow-headers')!.toLowerCase().split(',');
    expect(allowed).toEqual(
      expect.arrayContaining([
        'authorization',
        'content-range',
        'content-disposition',
        'content-type',
        'idempotency-key',
      ]),
    );
  });

  it('may read every header that the API sets', async () => {
    const own = await TestApp.start();
    const user = await Client.of(own);
    const { upload_id: id } = (await user.slice(file, 0, 500)).body;
    const path = `/api/v2/media/upload/${id}/`;
    const replayed = await user.slice(file, 0, 500, id);
    const [head, wrong] = [await user.send('HEAD', path), await user.send('PUT', path)];
    await user.slice(file, 500, 1000, id);
    const { url } = (await user.complete(id, md5(file))).body;
    const [whole, beyond] = [await fetch(url), await fetch(url, { headers: { range: 'bytes=5000-' } })];
    const responses = [replayed, head, wrong, await fetch(new URL(path, own.url)), whole, beyond];
    await own.stop();
    expect(responses.map(({ status }) => status)).toEqual([201, 200, 405, 401, 200, 416]);
    const names = responses.flatMap(({ headers }) =>
      [...headers.keys()].filter((name) => !OTHERS.test(name)),
    );
    expect(names).toEqual(expect.arrayContaining(['location', 'upload-replayed', 'upload-length', 'etag']));
    const exposed = replayed.headers.get('access-control-expose-headers')!.toLowerCase().split(',');
    expect(exposed).toEqual(expect.arrayContaining([...names, 'retry-after']));
  });

  it('may send every header of the API, and conditions for downloads', async () => {
    const conditions = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'];
    const described = headerParameters(readFileSync('openapi.json', 'utf8'));
    expect(described).toContain('last-event-id');
    expect(await allowed(app)).toEqual(expect.arrayContaining([...described, ...conditions]));
  });

  it('may send what tracing and other libraries add to every request, and what CORS_ALLOWED_HEADERS adds', async () => {
    const own = await TestApp.start({ CORS_ALLOWED_HEADERS: 'X-CSRF-Token, X-Tenant' });
    const tracing = [
      'traceparent',
      'tracestate',
      'baggage',
      'sentry-trace',
      'x-requested-with',
      'x-request-id',
      'cache-control',
    ];
    expect(await allowed(app)).toEqual(expect.arrayContaining(tracing));
    expect(await allowed(app)).not.toContain('x-csrf-token');
    expect(await allowed(own)).toEqual(
      expect.arrayContaining([...tracing, 'x-csrf-token', 'x-tenant', 'authorization']),
    );
    await own.stop();
  });
});

/** Of all operations of an OpenAPI document, in lower case. */
function headerParameters(document: string): string[] {
  interface Operation {
    readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  }
  const { paths } = JSON.parse(document) as { paths: Record<string, Record<string, Operation>> };
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  return operations
    .flatMap(({ parameters = [] }) => parameters)
    .filter((parameter) => parameter.in === 'header')
    .map(({ name }) => name.toLowerCase());
}
