import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from './setup/client.js';
import { ServerProcess } from './setup/server-process.js';
import { createDatabase, dropDatabase, TestApp } from './setup/test-app.js';
import { urlOf } from './setup/test-server.js';

// A start takes seconds where much else goes on.
const PAGE = 'https://page.example';
const SECRET = 'a secret of the operator, 32 characters';

/** What a server offers to those who try it out. */
async function offers({ url }: TestApp): Promise<Record<string, unknown>> {
  const ask = (path: string, init: RequestInit = {}) => fetch(new URL(path, url), init);
  const preflight = await ask('/api/v2/media/', {
    method: 'OPTIONS',
    headers: { origin: PAGE, 'access-control-request-method': 'GET' },
  });
  const document = (await (await ask('/api/openapi.json')).json()) as { paths: object };
  return {
    token: (await ask('/api/v2/dev/token/', { method: 'POST' })).status,
    fault: (await ask('/health/live', { headers: { 'x-fault': 'unavailable' } })).status,
    allowed: /x-fault/i.test(preflight.headers.get('access-control-allow-headers') ?? ''),
    documented: '/api/v2/dev/token' in document.paths,
    shown: (await (await ask('/')).text()).includes('data-trials="true"'),
  };
}

describe('a server that made its own secret', () => {
  it('is for trying out: it gives tokens to everybody, and breaks on request', async () => {
    const app = await TestApp.start({ NODE_ENV: '', JWT_SECRET: '' });
    expect(await offers(app)).toEqual({
      token: 201,
      fault: 503,
      allowed: true,
      documented: true,
      shown: true,
    });
    const answer = await fetch(new URL('/api/v2/dev/token/', app.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      // People send numbers where ids are numbers.
      body: JSON.stringify({ user_id: 42 }),
    });
    const { token } = (await answer.json()) as { token: string };
    expect((await new Client(app.url, token).send('GET', '/api/v2/media/upload/')).status).toBe(200);
    await app.stop();
  });
});

describe.each<[string, Record<string, string>]>([
  ["the operator's secret", { JWT_SECRET: SECRET }],
  [
    'published keys',
    {
      JWT_SECRET: '',
      JWKS_URL: 'http://127.0.0.1:9/jwks.json',
      JWT_ISSUER: 'https://issuer.example',
      JWT_AUDIENCE: 'media',
    },
  ],
])('a server with %s', (_, keys) => {
  it.each(['', 'development', 'test', 'production'])('signs and breaks nothing, NODE_ENV=%s', async (env) => {
    const app = await TestApp.start({ NODE_ENV: env, PUBLIC_URL: 'https://media.example', ...keys });
    expect(await offers(app)).toEqual({
      token: 404,
      fault: 400,
      allowed: false,
      documented: false,
      shown: false,
    });
    await app.stop();
  });
});

describe('the start', () => {
  let dataDir: string;
  let database: string;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'mediadock-trial-'));
    database = await createDatabase();
  });
  afterEach(async () => {
    await rm(dataDir, { recursive: true });
    await dropDatabase(database);
  });

  /** What the start prints, and whether another address of this machine than 127.0.0.1 is listened on. */
  async function started(settings: Record<string, string>): Promise<[printed: string, isOpen: boolean]> {
    const common = { HOST: '', DATA_DIR: dataDir, DATABASE_URL: urlOf(database), UNSAFE_DATABASE: 'true' };
    const server = ServerProcess.start({ ...common, ...settings });
    const port = Number(new URL(await server.url()).port);
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.2', () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    await server.stop();
    return [(await server.ended()).printed, isOpen];
  }

  const itOnLinux = process.platform === 'linux' ? it : it.skip;

  itOnLinux('says what a server for trying out is, and keeps it to this machine', async () => {
    const [printed, isOpen] = await started({ JWT_SECRET: '' });
    expect(printed).toMatch(/^ {2}THIS IS A DEMO SERVER: .*$/m);
    expect(printed).toMatch(/^ {2}eyJ\S+$/m);
    expect(isOpen).toBe(false);
    expect((await started({ JWT_SECRET: '', HOST: '0.0.0.0' }))[1]).toBe(true);
  });

  itOnLinux('prints no token of the operator, names misspelled settings, and listens to all', async () => {
    const settings = { PUBLIC_URL: 'https://example.org/media-api', MEDIA_URL: 'signed' };
    const [printed, isOpen] = await started(settings);
    expect(printed).not.toMatch(/DEMO SERVER|eyJ/);
    expect(printed).toContain('MEDIA_URL is not a setting and has no effect. Did you mean MEDIA_URLS?');
    expect(printed).toMatch(/^ {2}Mediadock listens at +http:\/\/localhost:\d+\/$/m);
    expect(printed).toMatch(/^ {2}Demo page +https:\/\/example\.org\/media-api\/$/m);
    expect(isOpen).toBe(true);
  });
});
