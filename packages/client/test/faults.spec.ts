import type { Fault, FaultPlan, ServerAnswer } from '../../../test/setup/faulty-proxy.js';
import { jpeg, pdf } from '../../../test/setup/samples.js';
import { TestApp } from '../../../test/setup/test-app.js';
import { upload, type UploadError } from '../src/node.js';
import { CHUNK_PATH, COMPLETE_PATH, gate, Stage } from './setup/stage.js';

const file = pdf(900_000);

let app: TestApp;
let stage: Stage;

beforeAll(async () => {
  app = await TestApp.start();
});
afterAll(() => app.stop());
afterEach(() => stage.strike());

const only =
  (path: string, turn: number, fate: Fault | ServerAnswer): FaultPlan =>
  (request) =>
    request.method === 'POST' && request.path === path && request.turn === turn ? fate : undefined;

async function uploadThrough(plan: FaultPlan, bytes = file, more = {}) {
  stage = await Stage.set(app, plan);
  const errors: UploadError[] = [];
  const running = upload(bytes, { ...stage.options, ...more }).on('retry', ({ error }) => errors.push(error));
  return { media: await running.media, errors };
}

describe('an answer to a chunk that is lost', () => {
  it('has the server asked where it stands, and nothing sent twice', async () => {
    const { media, errors } = await uploadThrough(only(CHUNK_PATH, 2, 'cut'));
    expect(errors.map(({ code }) => code)).toEqual(['network']);
    expect(stage.exchanges('GET', '/api/v2/media/upload/')).toHaveLength(1);
    expect(stage.ranges()).toEqual([
      '0-204799/900000',
      '204800-409599/900000',
      '409600-614399/900000',
      '614400-819199/900000',
      '819200-899999/900000',
    ]);
    await stage.expectOnly(media, file);
  });

  it('has the server asked again if that answer is lost too', async () => {
    const { media } = await uploadThrough(({ method, path, turn }) =>
      (method === 'GET' || path === CHUNK_PATH) && turn === 1 ? 'cut' : undefined,
    );
    await stage.expectOnly(media, file);
  });

  it('has the first chunk sent again, with the same key', async () => {
    const { media } = await uploadThrough(only(CHUNK_PATH, 0, 'cut'));
    const keys = stage.exchanges('POST', CHUNK_PATH).map(({ headers }) => headers['idempotency-key']);
    expect(keys.slice(0, 3)).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), keys[0], undefined]);
    expect(media.size).toBe(file.length);
  });

  it('is nothing that a stream could not go on from', async () => {
    const input = new Blob([new Uint8Array(file)]).stream();
    stage = await Stage.set(app, only(CHUNK_PATH, 2, 'cut'));
    const media = await upload(input, { ...stage.options, size: file.length }).media;
    await stage.expectOnly(media, file);
  });
});

describe('every request', () => {
  it.each(['double', 'lose-answer', 'double-at-once'] as const)(
    'that arrives twice (%s) but the first makes one Media',
    async (fault) => {
      const { media } = await uploadThrough(({ method, path, turn }) =>
        method === 'POST' && (path !== CHUNK_PATH || turn > 0) ? fault : undefined,
      );
      await stage.expectOnly(media, file);
    },
  );

  it('but the first, of which every third loses its answer, makes one Media', async () => {
    let requests = 0;
    const { media, errors } = await uploadThrough(() => (++requests % 3 === 2 ? 'cut' : undefined));
    expect(errors).toHaveLength(3);
    await stage.expectOnly(media, file);
  });

  it('that takes its time makes one Media', async () => {
    const { media, errors } = await uploadThrough(
      async () => await new Promise((resolve) => setTimeout(() => resolve(undefined), 20)),
    );
    expect(errors).toEqual([]);
    await stage.expectOnly(media, file);
  });
});

describe('a completion whose answer is lost', () => {
  it('is repeated, and gets the same Media', async () => {
    const { media } = await uploadThrough(only(COMPLETE_PATH, 0, 'cut'));
    const statuses = stage
      .exchanges('POST', COMPLETE_PATH)
      .flatMap(({ answers }) => answers.map(({ status }) => status));
    expect(statuses).toEqual([201, 200]);
    await stage.expectOnly(media, file);
  });
});

const problem = (status: number, members: object, headers = {}): ServerAnswer => ({
  status,
  headers: { 'content-type': 'application/problem+json', ...headers },
  body: Buffer.from(JSON.stringify({ status, detail: 'Said the server', ...members })),
});

describe('the server says', () => {
  it.each([
    ['storage-full', 507, 'seconds', () => '1'],
    ['service-unavailable', 503, 'seconds', () => '1'],
    ['too-many-requests', 429, 'seconds', () => '1'],
    ['service-unavailable', 503, 'a date', () => new Date(Date.now() + 3000).toUTCString()],
  ])('%s (%i), and is asked again after its Retry-After, %s', async (code, status, _, retryAfter) => {
    const times: number[] = [];
    const { media, errors } = await uploadThrough((request) => {
      if (request.path === CHUNK_PATH) times.push(performance.now());
      const answer = problem(status, { code, action: 'wait' }, { 'retry-after': retryAfter() });
      return only(CHUNK_PATH, 1, answer)(request);
    });
    expect(errors).toMatchObject([{ code, status, action: 'wait' }]);
    // A date has no fractions of a second.
    expect(errors[0]!.retryAfterMs).toBeGreaterThan(500);
    expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(errors[0]!.retryAfterMs);
    expect(stage.ranges().filter((range) => range.startsWith('204800-'))).toHaveLength(2);
    await stage.expectOnly(media, file);
  });

  it('resend-chunk, and gets it again', async () => {
    const answer = problem(400, { code: 'chunk-length-mismatch', action: 'resend-chunk' });
    const { media } = await uploadThrough(only(CHUNK_PATH, 2, answer));
    expect(stage.ranges().slice(2, 4)).toEqual(['409600-614399/900000', '409600-614399/900000']);
    await stage.expectOnly(media, file);
  });

  it('resume-from-offset, and gets what comes after it, without being asked', async () => {
    const members = { code: 'mismatching-upload-offset', action: 'resume-from-offset', offset: '204800' };
    const { media } = await uploadThrough(only(CHUNK_PATH, 3, problem(409, members)));
    expect(stage.ranges().slice(3, 5)).toEqual(['614400-819199/900000', '204800-409599/900000']);
    expect(stage.exchanges('GET', '/')).toEqual([]);
    await stage.expectOnly(media, file);
  });

  it('upload-incomplete at the end, and gets the rest', async () => {
    const members = { code: 'upload-incomplete', action: 'resume-from-offset', offset: '819200' };
    const { media } = await uploadThrough(only(COMPLETE_PATH, 0, problem(409, members)));
    expect(stage.ranges().slice(5)).toEqual(['819200-899999/900000']);
    await stage.expectOnly(media, file);
  });

  it('restart, and gets all of it as a new upload with a new key', async () => {
    const answer = problem(410, { code: 'upload-expired', action: 'restart' });
    const { media } = await uploadThrough(only(CHUNK_PATH, 2, answer));
    expect(media.size).toBe(file.length);
    const firsts = stage.exchanges('POST', CHUNK_PATH).filter(({ headers }) => headers['idempotency-key']);
    expect(firsts.map(({ turn }) => turn)).toEqual([0, 3]);
    expect(new Set(firsts.map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
  });

  it('restart again and again, and is believed in the end', async () => {
    const answer = problem(410, { code: 'upload-expired', action: 'restart' });
    const plan: FaultPlan = ({ turn }) => (turn % 2 ? answer : undefined);
    await expect(uploadThrough(plan)).rejects.toMatchObject({ code: 'upload-expired', status: 410 });
    expect(stage.exchanges('POST', CHUNK_PATH)).toHaveLength(8);
  });

  it('what this client has never heard of, with a status that everybody knows', async () => {
    const { media, errors } = await uploadThrough(
      only(CHUNK_PATH, 1, problem(503, { code: 'brand-new', action: 'dance' })),
    );
    expect(errors).toMatchObject([{ code: 'brand-new', action: 'wait' }]);
    await stage.expectOnly(media, file);
  });
});

describe('a proxy before the server', () => {
  const html = (status: number): ServerAnswer => ({
    status,
    headers: { 'content-type': 'text/html' },
    body: Buffer.from('<h1>Hello from the proxy</h1>'),
  });

  it.each([
    [502, 'http-502'],
    [200, 'bad-answer'],
  ])('that answers %i in HTML is tried again', async (status, code) => {
    const { media, errors } = await uploadThrough(only(CHUNK_PATH, 1, html(status)));
    expect(errors).toMatchObject([{ code }]);
    await stage.expectOnly(media, file);
  });

  it.each([404, 408, 409, 410, 421, 423, 425, 429, 499, 500, 504, 520, 599])(
    'that answers %i to a chunk, a question and the completion is tried again',
    async (status) => {
      const seen = new Map<string, number>();
      const { media, errors } = await uploadThrough(({ method, path, turn }) => {
        if (path === CHUNK_PATH && turn === 2) return 'cut';
        const kind = method === 'GET' ? 'GET' : path;
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
        return seen.get(kind) === 1 ? html(status) : undefined;
      });
      // After 421 the fetch of Node asks again by itself.
      const told = status === 421 ? [] : [`http-${status}`];
      expect(errors.map(({ code }) => code)).toEqual([...told, 'network', ...told, ...told]);
      await stage.expectOnly(media, file);
    },
  );

  it('that answers every first question with 200 and a JSON of its own is tried again', async () => {
    const answer = { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from('{}') };
    const { media, errors } = await uploadThrough(
      ({ method, path, turn }) => {
        if (method === 'GET' || path === COMPLETE_PATH) return turn === 0 ? answer : undefined;
        return turn === 2 ? 'cut' : undefined;
      },
      file,
      { resume: 'anywhere' },
    );
    const codes = ['bad-answer', 'network', 'bad-answer', 'bad-answer'];
    expect(errors.map(({ code }) => code)).toEqual(codes);
    await stage.expectOnly(media, file);
  });

  it('that answers 404 in a JSON of its own is tried again', async () => {
    const body = Buffer.from('{"message":"no Route matched with those values","code":404}');
    const answer = { status: 404, headers: { 'content-type': 'application/json' }, body };
    const { media, errors } = await uploadThrough(only(CHUNK_PATH, 1, answer));
    expect(errors).toMatchObject([
      { code: 'http-404', message: 'Something in front of the server answered 404' },
    ]);
    await stage.expectOnly(media, file);
  });

  it.each([400, 403, 405, 411, 413, 414, 415, 431, 451])(
    'that refuses the request with %i ends the upload',
    async (status) => {
      await expect(uploadThrough(only(CHUNK_PATH, 1, html(status)))).rejects.toMatchObject({
        code: `http-${status}`,
        message: `Something in front of the server answered ${status}`,
        status,
      });
    },
  );

  /** How long the client means to wait after an answer with these headers; it is then sent on at once. */
  async function waitAfter(headers: Record<string, string>): Promise<number> {
    const busy = { status: 503, headers, body: Buffer.alloc(0) };
    stage = await Stage.set(app, only(CHUNK_PATH, 1, busy));
    const running = upload(file, stage.options);
    const delayMs = await new Promise<number>((resolve) =>
      running.on('retry', (event) => resolve(event.delayMs)),
    );
    running.pause();
    running.resume();
    await running.media;
    return delayMs;
  }

  const date = (ms: number) => new Date(ms).toUTCString();
  const DAYS = 3 * 86_400_000;

  it.each<[string, Record<string, string>, number, number]>([
    ['an hour', { 'retry-after': '3600' }, 50_000, 60_000],
    ['more than any timer holds', { 'retry-after': '9'.repeat(30) }, 50_000, 60_000],
    ['a date next year', { 'retry-after': date(Date.now() + 366 * 86_400_000) }, 50_000, 60_000],
    ['a date in the past', { 'retry-after': date(0) }, 0, 100],
    ['nonsense', { 'retry-after': 'soon' }, 0, 100],
    [
      'in 20 s, by a clock that is days behind ours',
      { date: date(Date.now() - DAYS), 'retry-after': date(Date.now() - DAYS + 20_000) },
      19_000,
      21_100,
    ],
    [
      'in 20 s, by a clock that is days ahead of ours',
      { date: date(Date.now() + DAYS), 'retry-after': date(Date.now() + DAYS + 20_000) },
      19_000,
      21_100,
    ],
  ])('that says Retry-After: %s', async (_, headers, least, most) => {
    const delayMs = await waitAfter(headers);
    expect(delayMs).toBeGreaterThanOrEqual(least);
    expect(delayMs).toBeLessThanOrEqual(most);
  });

  it.each(['0', '204800', '900001', 'NaN', undefined])(
    'that tells the offset %s out of the blue does not lead astray',
    async (offset) => {
      const body = Buffer.from(JSON.stringify({ offset }));
      const answer = { status: 201, headers: { 'content-type': 'application/json' }, body };
      const { media, errors } = await uploadThrough(only(CHUNK_PATH, 1, answer));
      expect(errors).toMatchObject([{ code: 'bad-answer' }]);
      await stage.expectOnly(media, file);
    },
  );
});

describe('a token', () => {
  const expired = 'expired';

  it('that expires in mid-upload is got anew', async () => {
    const asked: (string | undefined)[] = [];
    const bad = problem(401, { code: 'unauthorized', action: 'refresh-token' });
    stage = await Stage.set(app, only(CHUNK_PATH, 2, bad));
    const token = async (refused?: string) => {
      asked.push(refused);
      return await app.token(stage.owner);
    };
    const media = await upload(file, { ...stage.options, token }).media;
    await stage.expectOnly(media, file);
    const tokens = stage
      .exchanges('POST', CHUNK_PATH)
      .map(({ headers }) => headers.authorization!.replace('Bearer ', ''));
    expect(asked).toEqual([undefined, tokens[0]]);
    expect(tokens).toEqual([...Array(3).fill(tokens[0]), ...Array(3).fill(tokens[3])]);
    expect(stage.ranges().slice(2, 4)).toEqual(['409600-614399/900000', '409600-614399/900000']);
  });

  it('that is refused is shown to the callback, which gives a good one', async () => {
    stage = await Stage.set(app);
    const asked: (string | undefined)[] = [];
    const token = (refused?: string) => {
      asked.push(refused);
      return refused === undefined ? expired : stage.token;
    };
    await stage.expectOnly(await upload(file, { ...stage.options, token }).media, file);
    expect(asked).toEqual([undefined, expired]);
    expect(stage.exchanges('POST', CHUNK_PATH)).toHaveLength(6);
  });

  it.each<[string, string | (() => string), string]>([
    ['that cannot be got anew', expired, 'unauthorized'],
    ['that is the same again', () => expired, 'unauthorized'],
    [
      'that nobody gives',
      () => {
        throw new Error('Logged out');
      },
      'no-token',
    ],
  ])('%s ends the upload', async (_, token, code) => {
    stage = await Stage.set(app);
    await expect(upload(file, { ...stage.options, token }).media).rejects.toMatchObject({ code });
    expect(stage.exchanges('POST', CHUNK_PATH).length).toBeLessThan(2);
  });
});

describe('a server that is restarted in mid-upload', () => {
  it('is waited for, and finishes what was begun', async () => {
    const [reached, back] = [gate(), gate()];
    let server = await TestApp.start();
    const down = problem(502, {});
    const plan: FaultPlan = async ({ path, turn }) => {
      if (path === CHUNK_PATH && turn === 3) reached.open();
      if (path === CHUNK_PATH && turn >= 3 && turn < 6) return down;
      if (path === CHUNK_PATH && turn === 6) await back.opened;
      return undefined;
    };
    stage = await Stage.set(server, plan);
    const running = upload(file, stage.options);
    await reached.opened;
    server = await server.restart();
    stage.proxy.turnTo(server.url);
    back.open();
    const media = await running.media;
    const response = await fetch(new URL(new URL(media.url!).pathname, server.url));
    const stored = Buffer.from(await response.arrayBuffer());
    await server.stop();
    expect(stored.equals(file)).toBe(true);
    expect(stage.ranges().filter((range) => range.startsWith('614400-'))).toHaveLength(4);
  });
});

it('a photo goes through all of this at once', async () => {
  const image = await jpeg(900, 700);
  let requests = 0;
  const busy = problem(503, { code: 'service-unavailable', action: 'wait' });
  const fates = [undefined, 'double', busy, 'cut', 'lose-answer', 'double-at-once'] as const;
  const { media } = await uploadThrough(() => fates[requests++ % fates.length], image, {
    chunkBytes: 50_000,
  });
  await stage.expectOnly(media, image);
});
