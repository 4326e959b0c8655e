import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { drainable } from '../src/http/connections/drain.js';
import { Clamd, INFECTED } from './setup/clamd.js';
import { Client, md5 } from './setup/client.js';
import { Receiver } from './setup/receiver.js';
import { jpeg, pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

const SECRET = 'a secret of the backend that is asked';

let app: TestApp;
let client: Client;

async function start(settings: Record<string, string>): Promise<void> {
  app = await TestApp.start(settings);
  client = await Client.of(app);
}

afterEach(() => app.stop());

const file = pdf(3000);
const finish = async (bytes: Buffer) => {
  const id = await client.upload(bytes, { fileName: 'a.pdf' });
  return { id, answer: await client.complete(id, md5(bytes)) };
};
/** Whether the server takes connections. */
async function listens(): Promise<boolean> {
  const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
  const connected = once(socket, 'connect').then(
    () => true,
    () => false,
  );
  return await connected.finally(() => socket.destroy());
}
const published = () => readdir(join(app.config.dataDir, 'files'));

describe('WEBHOOK_BEFORE_COMPLETE', () => {
  let backend: Receiver;

  beforeEach(async () => {
    backend = await Receiver.start();
  });
  afterEach(() => backend.stop());

  const ask = (more: Record<string, string> = {}) =>
    start({
      WEBHOOK_BEFORE_COMPLETE: backend.url,
      WEBHOOK_SECRET: SECRET,
      WEBHOOK_ALLOW_PRIVATE: 'true',
      ...more,
    });

  it('is asked what it is, whose, how large and with which hash, and lets it through with a 2xx', async () => {
    await ask();
    const { id, answer } = await finish(file);
    expect(answer.status).toBe(201);
    const { headers, body } = backend.requests[0]!;
    const asked = new Webhook(SECRET, { format: 'raw' }).verify(body, headers as Record<string, string>);
    expect(asked).toEqual({
      id: headers['webhook-id'],
      type: 'upload.before_complete',
      created_at: expect.any(String),
      data: {
        ...{ user: '7', upload_id: id, title: 'a.pdf', type: 'doc', mimetype: 'application/pdf' },
        ...{ size: 3000, md5: md5(file), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      },
    });
    await client.complete(id, md5(file));
    expect(backend.requests).toHaveLength(1);
  });

  it.each([
    ['Not during office hours', 'Not during office hours'],
    ['{"detail":"Not \\u0007 this\\none"}', 'Not this one'],
    ['', 'The file is not accepted'],
    ['x'.repeat(5000), 'x'.repeat(300)],
    [`${'x'.repeat(299)}\u{1f600}`, `${'x'.repeat(299)}\u{1f600}`],
    ['{"detail":"half \\ud83d an emoji\\u0000"}', 'half an emoji'],
  ])('rejects with a 4xx and its words: %.30j', async (body, detail) => {
    await ask();
    backend.answer = () => ({ status: 403, body });
    const { id, answer } = await finish(file);
    const refused = { code: 'not-admitted', detail };
    expect(answer).toMatchObject({ status: 422, body: { ...refused, action: 'give-up' } });
    expect((await client.status(id)).body).toMatchObject({ state: 'rejected', rejection: refused });
    expect(await published()).toEqual([]);
  });

  it.each([101, 500, 302, 408, 425, 429])(
    'when it answers %i: 503, and the upload can be completed later',
    async (status) => {
      await ask();
      const headers = { location: backend.url, connection: 'upgrade', upgrade: 'another' };
      backend.answer = () => ({ status, headers });
      const { id, answer } = await finish(file);
      expect(answer).toMatchObject({ status: 503, body: { action: 'wait' } });
      backend.answer = () => ({ status: 200 });
      expect((await client.complete(id, md5(file))).status).toBe(201);
    },
  );

  it('is asked again when it closes a connection that was kept', async () => {
    let connections = 0;
    const served = createServer((socket) => {
      let requests = 0;
      connections++;
      socket
        .on('error', () => undefined)
        .on('data', (piece) => {
          if (!piece.includes('POST /hook')) return;
          if (++requests > 1) socket.resetAndDestroy();
          else socket.write('HTTP/1.1 204 No Content\r\n\r\n');
        });
    });
    await once(served.listen(0, '127.0.0.1'), 'listening');
    const { port } = served.address() as AddressInfo;
    await ask({ WEBHOOK_BEFORE_COMPLETE: `http://127.0.0.1:${port}/hook` });
    expect((await finish(file)).answer.status).toBe(201);
    expect((await finish(file)).answer.status).toBe(201);
    expect(connections).toBe(2);
    served.close();
  });

  it('is waited for when the server stops', async () => {
    await ask();
    const drain = drainable(app.app.getHttpServer());
    const held = backend.hold();
    const id = await client.upload(file);
    const completing = client.complete(id, md5(file));
    await held.reached;
    drain();
    const closed = app.app.close();
    await until(listens, (itDoes) => !itDoes);
    held.release();
    expect((await completing).status).toBe(201);
    await closed;
    app = await TestApp.on(app.database, app.config.dataDir);
  });

  it('has five seconds; then it is as the setting says', async () => {
    await ask({ WEBHOOK_BEFORE_COMPLETE_FAILURE: 'open' });
    const held = backend.hold();
    expect((await finish(file)).answer.status).toBe(201);
    held.release();
    await backend.stop();
    expect((await finish(file)).answer.status).toBe(201);
  });

  it('holds up neither the uploads of others while it thinks, nor all of them for one user', async () => {
    await ask();
    const held = backend.hold();
    const users = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => Client.of(app, name)));
    const greedy = Promise.all(Array.from({ length: 12 }, () => finish(file)));
    const others = Promise.all(
      users.map(async (user) => await user.complete(await user.upload(file), md5(file))),
    );
    const asked = async () => backend.received.map(({ data }) => data.user as string);
    const all = await until(asked, ({ length }) => length === 14);
    expect([...new Set(all)].sort()).toEqual(['7', 'a', 'b', 'c', 'd', 'e', 'f']);
    held.release();
    const answers = [...(await others), ...(await greedy).map(({ answer }) => answer)];
    expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
  });

  it('is not asked at private addresses, unless that is allowed', async () => {
    await ask({ WEBHOOK_ALLOW_PRIVATE: 'false' });
    expect((await finish(file)).answer.status).toBe(503);
    expect(backend.requests).toEqual([]);
  });
});

describe('a scanner of whatever make', () => {
  it.each([
    ['names a virus in control characters', 'stream: A\0b\u001b[31m FOUND\0', 'A b [31m'],
    ['names one at length', `stream: ${'x'.repeat(1000)} FOUND\0`, 'x'.repeat(300)],
  ])('that %s is quoted in plain text', async (_, answer, found) => {
    const scanner = await scannerOf((socket) => void socket.end(answer));
    await start({ CLAMD: scanner.address });
    expect((await finish(file)).answer).toMatchObject({ status: 415, body: { code: 'infected', found } });
    scanner.stop();
  });

  it.each(['stream: OK or not', '', 'stream: OK\0stream: OK'])(
    'that answers %j says nothing',
    async (answer) => {
      const scanner = await scannerOf((socket) => void socket.end(answer));
      await start({ CLAMD: scanner.address });
      expect((await finish(file)).answer).toMatchObject({ status: 503, body: { action: 'wait' } });
      scanner.stop();
    },
  );

  it('that never stops answering is not listened to', async () => {
    let closed!: Promise<unknown>;
    let sent = () => 0;
    const scanner = await scannerOf((socket) => {
      const talk = () => {
        while (socket.write(Buffer.alloc(65_536, 'x')));
      };
      socket.on('drain', talk);
      closed = new Promise((resolve) => socket.once('close', resolve));
      sent = () => socket.bytesWritten;
      talk();
    });
    await start({ CLAMD: scanner.address });
    expect((await finish(file)).answer.status).toBe(503);
    await closed;
    expect(sent()).toBeLessThan(20_000_000);
    scanner.stop();
  });
});

/** A scanner that answers as it is told. */
async function scannerOf(answer: (socket: Socket) => void) {
  const server = createServer((socket) => answer(socket.on('error', () => undefined).resume()));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, stop: () => server.close() };
}

const { missing } = Clamd;
(missing === undefined ? describe : describe.skip)(`CLAMD${missing ? ` (${missing})` : ''}`, () => {
  let clamd: Clamd;

  afterEach(() => clamd.stop());

  it('an infected file is refused and leaves nothing; others are taken, images too', async () => {
    clamd = await Clamd.start();
    await start({ CLAMD: clamd.socket });
    const infected = Buffer.concat([pdf(500_000), INFECTED, Buffer.from('\n%%EOF\n')]);
    const { id, answer } = await finish(infected);
    expect(answer).toMatchObject({
      status: 415,
      body: {
        code: 'infected',
        detail: 'The file is infected: Mediadock.Test.UNOFFICIAL',
        action: 'give-up',
      },
    });
    expect((await client.status(id)).body).toMatchObject({
      state: 'rejected',
      rejection: { code: 'infected' },
    });
    expect([await published(), await readdir(join(app.config.dataDir, 'uploads'))]).toEqual([[], []]);
    expect((await finish(file)).answer.status).toBe(201);
    expect((await finish(await jpeg(60, 40, 6))).answer.status).toBe(201);
  });

  it('without it, or past its limits, nothing is taken, and all can be completed later', async () => {
    clamd = await Clamd.start({ StreamMaxLength: '1M' });
    await start({ CLAMD: clamd.socket });
    const large = pdf(3_000_000);
    expect((await finish(large)).answer).toMatchObject({ status: 503, body: { action: 'wait' } });
    await clamd.stop();
    const { id, answer } = await finish(file);
    expect(answer.status).toBe(503);
    expect(await published()).toEqual([]);
    clamd = await Clamd.start();
    Object.assign(app.config.admission, { clamd: { path: clamd.socket } });
    expect((await client.complete(id, md5(file))).status).toBe(201);
  });

  it('is reached at host:port, too', async () => {
    const { freePort } = await import('../scripts/free-port.js');
    const port = await freePort();
    clamd = await Clamd.start({ TCPSocket: port, TCPAddr: '127.0.0.1' });
    await start({ CLAMD: `127.0.0.1:${port}` });
    expect(
      (
        await until(
          () => finish(file),
          ({ answer }) => answer.status === 201,
        )
      ).answer.status,
    ).toBe(201);
  });
});
