import { Client } from './setup/client.js';
import { TestApp } from './setup/test-app.js';

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
      body: new URLSearchParams({ user_id: '42' }),
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
