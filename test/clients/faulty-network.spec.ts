import { Client, md5 } from '../setup/client.js';
import { FaultyProxy, type Exchange, type Fault, type FaultPlan } from '../setup/faulty-proxy.js';
import { Page, type PageAnswers, type PageUpload } from '../setup/page.js';
import { jpeg, pdf } from '../setup/samples.js';
import { startUnderTest, type UnderTest } from '../setup/under-test.js';

const CHUNK_PATH = '/api/v2/media/upload/chunk/';
const COMPLETE_PATH = '/api/v2/media/upload/complete/';

let app: UnderTest;
let page: Page;
let users = 0;

beforeAll(async () => {
  [app, page] = await Promise.all([startUnderTest(), Page.open()]);
}, 30_000);
afterAll(() => Promise.all([page.close(), app.stop()]));

interface Outcome extends PageAnswers {
  readonly owner: string;
  readonly posts: (path: string) => Exchange[];
}

/** What the upload component makes of a file on a network with these faults, for a user of its own. */
async function uploadThrough(
  plan: FaultPlan,
  bytes: Buffer,
  more: Partial<PageUpload> = {},
): Promise<Outcome> {
  const owner = `user-${++users}`;
  const proxy = await FaultyProxy.start(app.url, plan);
  try {
    const file = { bytes, name: 'f', type: '', md5: md5(bytes) };
    const answers = await page.upload({ url: proxy.url, token: await app.token(owner), file, ...more });
    const posts = (path: string) =>
      proxy.exchanges.filter((one) => one.method === 'POST' && one.path === path);
    return { ...answers, owner, posts };
  } finally {
    await proxy.stop();
  }
}

async function expectOneMedia({ owner, completion }: Outcome, bytes: Buffer): Promise<void> {
  const { id, url, image } = completion!.body;
  expect(await app.sql('SELECT id FROM media WHERE owner_id = $1', [owner])).toEqual([{ id }]);
  // The URL names the proxy, which is how the client reached the server.
  const response = await fetch(new URL(new URL(url ?? image).pathname, app.url));
  expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
}

async function openUploads({ owner }: Outcome): Promise<number> {
  const client = await Client.of(app, owner);
  return (await client.send('GET', '/api/v2/media/upload/')).body.count;
}

function replays({ answers }: Exchange): (string | undefined)[] {
  return answers.map(({ headers }) => headers['upload-replayed'] as string | undefined);
}

const laterChunks =
  (fault: Fault): FaultPlan =>
  ({ method, path, turn }) =>
    method === 'POST' && path === CHUNK_PATH && turn > 0 ? fault : undefined;

const everyPost =
  (fault: Fault): FaultPlan =>
  ({ method }) =>
    method === 'POST' ? fault : undefined;

const only =
  (path: string, turn: number, fault: Fault): FaultPlan =>
  (request) =>
    request.method === 'POST' && request.path === path && request.turn === turn ? fault : undefined;

describe('a chunk that arrives twice', () => {
  const file = pdf(900_000);

  it.each(['double', 'lose-answer'] as const)(
    '(%s) is told to be a replay, to scripts too',
    async (fault) => {
      const outcome = await uploadThrough(laterChunks(fault), file);
      const [first, ...later] = outcome.posts(CHUNK_PATH);
      expect(replays(first!)).toEqual([undefined]);
      expect(later.map(replays)).toEqual(Array(4).fill([undefined, '?1']));
      expect(outcome.chunks.map(({ headers }) => headers['upload-replayed'])).toEqual([
        undefined,
        ...Array(4).fill('?1'),
      ]);
      await expectOneMedia(outcome, file);
    },
  );

  it('(double-at-once) is appended once', async () => {
    const outcome = await uploadThrough(laterChunks('double-at-once'), file);
    for (const chunk of outcome.posts(CHUNK_PATH).slice(1)) {
      expect(chunk.answers.map(({ status }) => status)).toEqual([201, 201]);
      expect(replays(chunk)).toEqual(expect.arrayContaining([undefined, '?1']));
    }
    await expectOneMedia(outcome, file);
  });

  it('(hang-up) is appended once, though the first may still be at work', async () => {
    const outcome = await uploadThrough(laterChunks('hang-up'), file);
    expect(outcome.chunks.map(({ status, body }) => [status, body.offset])).toEqual([
      [201, '204800'],
      [201, '409600'],
      [201, '614400'],
      [201, '819200'],
      [201, '900000'],
    ]);
    await expectOneMedia(outcome, file);
  });

  it('(cut) is appended once when the library itself sends it again', async () => {
    const outcome = await uploadThrough(only(CHUNK_PATH, 2, 'cut'), file, { attempts: 2 });
    const posts = outcome.posts(CHUNK_PATH);
    expect(posts[3]!.headers['content-range']).toBe(posts[2]!.headers['content-range']);
    expect(replays(posts[3]!)).toEqual(['?1']);
    await expectOneMedia(outcome, file);
  });

  it('opens an upload of its own if it is the first, and that one is left to expire', async () => {
    const outcome = await uploadThrough(only(CHUNK_PATH, 0, 'double'), file);
    await expectOneMedia(outcome, file);
    expect(await openUploads(outcome)).toBe(1);
  });
});

describe('a completion that arrives twice', () => {
  const file = pdf(300_000);

  it.each(['double', 'lose-answer', 'double-at-once'] as const)('(%s) makes one Media', async (fault) => {
    const outcome = await uploadThrough(only(COMPLETE_PATH, 0, fault), file);
    const { answers } = outcome.posts(COMPLETE_PATH)[0]!;
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 201]);
    await expectOneMedia(outcome, file);
  });

  it('(hang-up) makes one Media, though the first may still be at work', async () => {
    const outcome = await uploadThrough(only(COMPLETE_PATH, 0, 'hang-up'), file);
    expect([200, 201]).toContain(outcome.completion!.status);
    await expectOneMedia(outcome, file);
  });
});

describe('an upload whose every request arrives twice', () => {
  it.each([
    ['a PDF', 'double'],
    ['a PDF', 'double-at-once'],
    ['an image', 'lose-answer'],
    ['an image', 'hang-up'],
  ] as const)('is one Media with the right bytes (%s, %s)', async (kind, fault) => {
    const file = kind === 'a PDF' ? pdf(500_000) : await jpeg(900, 700);
    await expectOneMedia(await uploadThrough(everyPost(fault), file), file);
  });

  it('is one Media with chunks as bare bodies', async () => {
    const file = pdf(500_000);
    await expectOneMedia(await uploadThrough(everyPost('double-at-once'), file, { raw: true }), file);
  });
});
