import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { jest } from '@jest/globals';
import { drainable } from '../src/http/connections/drain.js';
import { Clicks } from '../src/media/library/clicks.js';
import { Hold } from './setup/hold.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';
import { Client, CHUNK_BYTES, type Answer } from './setup/client.js';
import { pdf } from './setup/samples.js';

const CHUNK = '/api/v2/media/upload/chunk/';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await TestApp.start({ MAX_CHUNKS_IN_MEMORY: '1' });
  client = await Client.of(app);
});
afterAll(() => app.stop());

function open(): Socket {
  return connect(Number(new URL(app.url).port), '127.0.0.1');
}

/** All that comes back for these lines, until the server hangs up or has sent `until`. */
async function raw(lines: readonly string[], until = /\r\n\r\n\{.*\}$/s): Promise<string> {
  const socket = open();
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  let text = '';
  for await (const piece of socket) {
    text += String(piece);
    if (until.test(text)) break;
  }
  socket.destroy();
  return text;
}

it('a request of more than a hundred headers is refused, and none is dropped', async () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: 1`);
  const get = (count: number) => raw(['GET /health/live HTTP/1.1', 'Host: a', ...many(count)]);
  expect(await get(99)).toMatch(/^HTTP\/1\.1 200 /);
  expect(await get(100)).toMatch(/^HTTP\/1\.1 431 .*headers-too-large/s);
  expect(await get(1500)).toMatch(/^HTTP\/1\.1 431 /);
});

it('a page of another origin may read why its token is too long for a header', async () => {
  const lines = [
    'GET / HTTP/1.1',
    'Host: a',
    'Origin: http://a.example',
    `Authorization: Bearer ${'x'.repeat(20_000)}`,
  ];
  expect(await raw(lines)).toMatch(
    /^HTTP\/1\.1 431 [^]*\r\nAccess-Control-Allow-Origin: \*\r\n[^]*headers-too-large/,
  );
});

describe('a connection with many requests at once', () => {
  const clicks = (count: number) =>
    'POST /api/v2/media/1/click/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n'.repeat(count);

  it('is worked on at two of them, in order, until answers have left', async () => {
    const all = app.app.get(Clicks);
    const hold = Hold.on(all, 'add', 'before');
    const held = jest.spyOn(all, 'add');
    const socket = open();
    let text = '';
    socket.on('data', (piece) => (text += String(piece)));
    socket.write(clicks(499) + 'GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n');
    await hold.reached;
    // Another connection is answered, after whatever this one could have begun by then.
    expect((await client.send('GET', '/api/v2/media/1/')).status).toBe(404);
    expect(held.mock.calls.length).toBeLessThanOrEqual(2);
    hold.release();
    await until(
      () => Promise.resolve(text),
      (all) => all.includes('"status":"ok"'),
    );
    expect(text.match(/HTTP\/1\.1 204/g)).toHaveLength(499);
    expect(text.trimEnd().endsWith('}')).toBe(true);
    socket.destroy();
    jest.restoreAllMocks();
  });

  it.each([
    ['garbage', 'NO HTTP\r\n\r\n', 'malformed-request'],
    ['a head without end', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`, 'headers-too-large'],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 'bad-request'],
    [
      'a body that breaks off in garbage',
      'POST /api/v2/media/1/click/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n',
      'malformed-request',
    ],
  ])('gets its answers in order, and %s behind them is answered last', async (_, garbage, code) => {
    const hold = Hold.on(app.app.get(Clicks), 'add', 'before');
    const socket = open();
    let text = '';
    socket.on('data', (piece) => (text += String(piece)));
    socket.write(`${clicks(1)}GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n${clicks(1)}${garbage}`);
    await hold.reached;
    // Another connection is answered, after whatever this one could have been answered by then.
    expect((await client.send('GET', '/api/v2/media/1/')).status).toBe(404);
    expect(text).toBe('');
    hold.release();
    await once(socket, 'end');
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status);
    expect(statuses.slice(0, 3)).toEqual(['204', '200', '204']);
    expect(statuses.slice(3)).toHaveLength(1);
    expect(text).toMatch(new RegExp(`"code":"${code}".*$`, 's'));
    socket.destroy();
  });

  it('is forgotten when it ends with requests waiting', async () => {
    const hold = Hold.on(app.app.get(Clicks), 'add', 'before');
    const socket = open();
    socket.write(clicks(100));
    await hold.reached;
    socket.destroy();
    hold.release();
    expect((await client.slice(pdf(100), 0, 100)).status).toBe(201);
  });
});

function head(...lines: string[]): string[] {
  return [`POST ${CHUNK} HTTP/1.1`, 'Host: a', `Authorization: Bearer ${client.token}`, ...lines];
}

describe('a client that waits for "100 Continue"', () => {
  const length = 'Content-Length: 1000';
  const expect100 = 'Expect: 100-continue';

  it('is refused without it when its token is bad', async () => {
    const text = await raw([
      `POST ${CHUNK} HTTP/1.1`,
      'Host: a',
      'Authorization: Bearer x',
      length,
      expect100,
    ]);
    expect(text).toMatch(/^HTTP\/1\.1 401 /);
    expect(text).toContain('"code":"unauthorized"');
  });

  it('is refused without it when its range is wrong', async () => {
    const text = await raw(head(length, expect100, 'Content-Range: bytes 5-1/10'));
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('is refused without it when its body is too large', async () => {
    const text = await raw(head('Content-Length: 5000000', expect100, 'Content-Range: bytes 0-9/10'));
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('is asked for its body otherwise', async () => {
    const text = await raw(head(length, expect100, 'Content-Range: bytes 0-999/1000'), /\r\n\r\n/);
    expect(text).toBe('HTTP/1.1 100 Continue\r\n\r\n');
  });

  it('is not one in HTTP/1.0, where that means nothing', async () => {
    expect(await raw(['GET /health/live HTTP/1.0', expect100])).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('can be one that asks for something else: 417', async () => {
    const text = await raw(head(length, 'Expect: 200-ok'));
    expect(text).toMatch(/^HTTP\/1\.1 417 /);
    expect(text).toContain('"code":"expectation-failed"');
  });
});

describe('a connection stays open for longer than proxies keep it', () => {
  it('75 s', async () => {
    const text = await raw(['GET /health/live HTTP/1.1', 'Host: a']);
    expect(text).toMatch(/^Keep-Alive: timeout=75\r$/m);
  });

  it('or KEEP_ALIVE_SECONDS', async () => {
    const patient = await TestApp.start({ KEEP_ALIVE_SECONDS: '620' });
    const { headers } = await fetch(new URL('/health/live', patient.url));
    expect(headers.get('keep-alive')).toBe('timeout=620');
    await patient.stop();
  });
});

describe('when the server stops', () => {
  const click = 'POST /api/v2/media/1/click/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n';

  /** What comes back for these requests, the first of which is held while the server begins to stop. */
  async function answersTo(requests: string): Promise<string> {
    const stopping = await TestApp.start();
    const drain = drainable(stopping.app.getHttpServer());
    const hold = Hold.on(stopping.app.get(Clicks), 'add', 'before');
    const socket = connect(Number(new URL(stopping.url).port), '127.0.0.1');
    socket.write(requests);
    await hold.reached;
    drain();
    hold.release();
    let text = '';
    for await (const piece of socket) text += String(piece);
    await stopping.stop();
    return text;
  }

  it('a response under way says that its connection closes', async () => {
    expect(await answersTo(click)).toMatch(/^HTTP\/1\.1 204 .*^Connection: close\r$/ms);
  });

  it('the last of several does, so that none is lost', async () => {
    const text = await answersTo(click.repeat(3));
    expect(text.match(/^(HTTP\/1\.1 204|Connection: [a-z-]+)/gm)).toEqual([
      ...['HTTP/1.1 204', 'Connection: keep-alive', 'HTTP/1.1 204', 'Connection: keep-alive'],
      ...['HTTP/1.1 204', 'Connection: close'],
    ]);
  });
});

it('a request without Host is refused with a problem', async () => {
  const text = await raw(['GET /health/live HTTP/1.1']);
  expect(text).toMatch(/^HTTP\/1\.1 400 /);
  expect(text).toContain('"code":"missing-host"');
});

it.each(['Host: b', 'Content-Type: text/csv'])('a second %s is refused: 400', async (line) => {
  const text = await raw(['GET /health/live HTTP/1.1', 'Host: a', 'Content-Type: text/plain', line]);
  expect(text).toMatch(/^HTTP\/1\.1 400 .*"code":"repeated-header"/s);
});

it('two tokens are none', async () => {
  const lines = [
    'GET /api/v2/media/upload/ HTTP/1.1',
    'Host: a',
    `Authorization: Bearer ${client.token}`,
    'Authorization: Bearer x',
  ];
  expect(await raw(lines)).toMatch(/^HTTP\/1\.1 401 /);
});

describe('a method that an address does not take', () => {
  it.each([
    ['GET', '/api/v2/media/upload/chunk/', 'POST'],
    ['PUT', '/api/v2/media/upload/chunk', 'POST'],
    ['DELETE', '/api/v2/media/upload/complete/', 'POST'],
    ['POST', '/api/v2/media/upload/0123456789abcdef0123456789abcdef/', 'GET, HEAD, DELETE'],
    ['POST', '/health/live', 'GET, HEAD'],
    ['TRACE', '/health/live', 'GET, HEAD'],
  ])('%s %s is answered 405, with Allow', async (method, path, allowed) => {
    const text = await raw([
      `${method} ${path} HTTP/1.1`,
      'Host: a',
      `Authorization: Bearer ${client.token}`,
    ]);
    expect(text).toMatch(/^HTTP\/1\.1 405 /);
    expect(/^Allow: (.*)$/im.exec(text)?.[1]?.trim()).toBe(allowed);
    expect(text).toContain('"code":"method-not-allowed"');
  });

  it.each(['/nothing', '/api/v2/nothing', '/api/v2/media/1/2/3'])('%s takes none: 404', async (path) => {
    expect((await client.send('PATCH', path)).status).toBe(404);
  });
});

describe('both Content-Length and Transfer-Encoding', () => {
  it('is a request in two minds, and refused', async () => {
    const text = await raw(head('Content-Length: 5', 'Transfer-Encoding: chunked'));
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).toContain('"code":"malformed-request"');
  });
});

describe('with as many chunks in memory as may be', () => {
  const whole = pdf(150_000);
  let held: Socket;
  let told = '';

  /** Half a chunk, which stays in memory; sent again should another one have been faster. */
  function hold(): void {
    held = open();
    const lines = head(`Content-Length: ${CHUNK_BYTES}`, `Content-Range: bytes 0-${CHUNK_BYTES - 1}/500000`);
    held.write(`${lines.join('\r\n')}\r\n\r\n`);
    held.write(pdf(CHUNK_BYTES).subarray(0, 100_000));
    held.once('data', (answer) => {
      told = String(answer);
      held.destroy();
      hold();
    });
  }

  /** The first answer of this status. */
  async function until(status: number): Promise<Answer> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const answer = await client.slice(whole, 0, 100_000);
      if (answer.status === status || Date.now() > deadline) return answer;
    }
  }

  it('another is told to wait, at once; small ones and questions go through', async () => {
    hold();
    const busy = await until(503);
    expect([busy.status, busy.body.action, busy.headers.get('retry-after')]).toEqual([503, 'wait', '1']);
    expect((await client.slice(pdf(1000), 0, 500)).status).toBe(201);
    expect((await client.send('GET', '/api/v2/media/upload/')).status).toBe(200);
    held.destroy();
    expect((await until(201)).status).toBe(201);
  });

  it('one that takes its time gives way', async () => {
    hold();
    await until(503);
    told = '';
    expect((await until(201)).status).toBe(201);
    expect(told).toMatch(/^HTTP\/1\.1 503 .*"action":"wait"/s);
    held.destroy();
    await until(201);
  });

  it('refused ones give their memory back', async () => {
    for (let i = 0; i < 5; i++) {
      const body = pdf(CHUNK_BYTES);
      const answer = await client.chunk(body, { range: `0-${CHUNK_BYTES - 2}/500000` });
      expect(answer.status).toBe(400);
    }
    const asked = (await client.slice(pdf(1000), 0, 500)).body.upload_id as string;
    for (let i = 0; i < 5; i++) {
      const form = new FormData();
      form.set('upload_id', asked);
      form.set('padding', 'x'.repeat(60_000));
      const headers = { 'content-range': 'bytes */1000' };
      expect((await client.send('POST', CHUNK, { headers, body: form })).status).toBe(200);
    }
    expect((await client.slice(pdf(200_000), 0, 100_000)).status).toBe(201);
  });
});

describe('behind proxies', () => {
  const limited = { FAILED_TOKENS_PER_MINUTE: '2' };

  /** The status of a request with a bad token, as it comes through a proxy. */
  async function knock({ url }: TestApp, forwardedFor: string): Promise<number> {
    const headers = { authorization: 'Bearer x', 'x-forwarded-for': forwardedFor };
    return (await fetch(new URL('/api/v2/media/upload/', url), { headers })).status;
  }

  it('bad tokens are counted for each client, told by the proxy that is trusted', async () => {
    const proxied = await TestApp.start({ ...limited, TRUST_PROXY: 'loopback' });
    const knocks = ['1.1.1.1', '1.1.1.1', '1.1.1.1', '9.9.9.9, 1.1.1.1', '1.1.1.1, 2.2.2.2'];
    const statuses = [];
    for (const address of knocks) statuses.push(await knock(proxied, address));
    expect(statuses).toEqual([401, 401, 429, 429, 401]);
    await proxied.stop();
  });

  it.each([
    ['with ports', '203.0.113.9', '203.0.113.9:5001', '203.0.113.9:5002'],
    ['in IPv6', '2001:db8::1', '[2001:db8::1]:443', '2001:DB8:0:0::1', '[2001:db8::1]'],
    ['of IPv4 in IPv6', '::ffff:203.0.113.9', '203.0.113.9', '[::ffff:203.0.113.9]:80', '::FFFF:cb00:7109'],
    ['in one network of IPv6', '2001:db8::1', '2001:db8::2', '2001:db8:0:0:ffff::1'],
    ['behind a proxy with a port', '203.0.113.9, 10.0.0.5:443', '203.0.113.9, [::ffff:10.0.0.5]:1, 10.0.0.5'],
    ['of nobody', 'unknown', ' unknown '],
  ])('addresses %s are counted as one, which others are not', async (_, ...addresses) => {
    const proxied = await TestApp.start({ FAILED_TOKENS_PER_MINUTE: '1', TRUST_PROXY: 'loopback,10.0.0.5' });
    const statuses = [];
    for (const address of addresses) statuses.push(await knock(proxied, address));
    expect(statuses).toEqual([401, ...addresses.slice(1).map(() => 429)]);
    for (const other of ['203.0.113.8:5001', '[2001:db8:0:1::1]:443', '10.0.0.6'])
      expect([other, await knock(proxied, other)]).toEqual([other, 401]);
    await proxied.stop();
  });

  it('headers of a client are nothing without one', async () => {
    const plain = await TestApp.start(limited);
    const statuses = [];
    for (const address of ['1.1.1.1', '2.2.2.2', '3.3.3.3']) statuses.push(await knock(plain, address));
    expect(statuses).toEqual([401, 401, 429]);
    const good = await Client.of(plain);
    expect((await good.send('GET', '/api/v2/media/upload/')).status).toBe(200);
    await plain.stop();
  });

  const hsts = async ({ url }: TestApp) =>
    (await fetch(new URL('/health/live', url), { headers: { 'x-forwarded-proto': 'https' } })).headers.get(
      'strict-transport-security',
    );

  it('TLS is kept to when a trusted proxy has it', async () => {
    const proxied = await TestApp.start({ TRUST_PROXY: '1' });
    expect(await hsts(proxied)).toBe('max-age=31536000');
    expect(await hsts(app)).toBeNull();
    await proxied.stop();
  });

  it.each([
    ['host', 'max-age=31536000'],
    ['subdomains', 'max-age=31536000; includeSubDomains'],
    ['off', null],
  ])('with HSTS=%s, browsers keep to TLS as far as that says', async (HSTS, header) => {
    const proxied = await TestApp.start({ TRUST_PROXY: '1', HSTS });
    expect(await hsts(proxied)).toBe(header);
    await proxied.stop();
  });
});

describe('X-Fault, for those who try their clients', () => {
  const fault = (name: string) => ({ headers: { 'x-fault': name } });
  let trial: TestApp;
  let visitor: Client;

  beforeAll(async () => {
    trial = await TestApp.start({ JWT_SECRET: '' });
    visitor = await Client.of(trial);
  });
  afterAll(() => trial.stop());

  it('loses a request before it is seen', async () => {
    const before = await trial.state();
    await expect(visitor.slice(pdf(1000), 0, 500, undefined, fault('lost-request'))).rejects.toThrow();
    expect(await trial.state()).toEqual(before);
  });

  it('loses an answer after all is done', async () => {
    const file = pdf(1000);
    const id = (await visitor.slice(file, 0, 500)).body.upload_id;
    await expect(visitor.slice(file, 500, 1000, id, fault('lost-answer'))).rejects.toThrow();
    expect((await visitor.status(id)).body.offset).toBe('1000');
  });

  it('is unavailable', async () => {
    const { status, body } = await visitor.send('GET', '/api/v2/media/upload/', fault('unavailable'));
    expect([status, body.action]).toEqual([503, 'wait']);
  });

  it.each(['x', 'hasOwnProperty', 'constructor', '__proto__', 'toString', '', 'lost-answer, slow'])(
    'is refused when it is unknown: %j',
    async (name) => {
      expect((await visitor.send('GET', '/health/live', fault(name))).status).toBe(400);
    },
  );
});

it('connections beyond MAX_CONNECTIONS are closed at once, and there is room for the next when one ends', async () => {
  const small = await TestApp.start({ MAX_CONNECTIONS: '2' });
  const connection = () => connect(Number(new URL(small.url).port), '127.0.0.1');
  const [first, second] = [connection(), connection()];
  await Promise.all([once(first, 'connect'), once(second, 'connect')]);
  const live = async () =>
    await fetch(`${small.url}/health/live`).then(
      ({ status }) => status,
      () => 0,
    );
  expect(await live()).toBe(0);
  first.destroy();
  await until(live, (status) => status === 200);
  second.destroy();
  await small.stop();
});
