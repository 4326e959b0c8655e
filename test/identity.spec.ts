import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { pdf } from './setup/samples.js';
import { Client } from './setup/client.js';
import { JWT_SECRET, TestApp } from './setup/test-app.js';

const key = new TextEncoder().encode(JWT_SECRET);
const LIST = '/api/v2/media/upload/';

function sign(
  claims: JWTPayload,
  options: { alg?: string; key?: Uint8Array; exp?: string | null } = {},
): Promise<string> {
  const token = new SignJWT(claims).setProtectedHeader({ alg: options.alg ?? 'HS256' });
  if (options.exp !== null) token.setExpirationTime(options.exp ?? '1h');
  return token.sign(options.key ?? key);
}

describe('a shared secret', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start();
  });
  afterAll(() => app.stop());

  const status = async (token: string) => (await new Client(app.url, token).send('GET', LIST)).status;

  it.each([
    ['user_id', { user_id: 7 }],
    ['sub', { sub: 'somebody@example.org' }],
    ["the platform's claims", { user_id: 7, token_type: 'access', jti: 'x', iat: 1 }],
  ])('accepts a token with %s', async (_, claims) => {
    expect(await status(await sign(claims))).toBe(200);
  });

  it('takes user_id 7 and sub "7" for the same user, across tokens', async () => {
    const file = pdf(1000);
    const first = new Client(app.url, await sign({ user_id: 7 }));
    const id = (await first.slice(file, 0, 500)).body.upload_id;
    const renewed = new Client(app.url, await sign({ sub: '7' }));
    expect((await renewed.slice(file, 500, 1000, id)).status).toBe(201);
  });

  it.each<[string, () => Promise<string> | string]>([
    ['no token', () => ''],
    ['no JWT', () => 'abc'],
    [
      'another secret',
      () => sign({ user_id: 7 }, { key: new TextEncoder().encode('another secret, as long as the first') }),
    ],
    ['an algorithm that is not pinned', () => sign({ user_id: 7 }, { alg: 'HS384' })],
    [
      'no signature',
      () =>
        `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"user_id":7,"exp":9999999999}').toString('base64url')}.`,
    ],
    ['no exp', () => sign({ user_id: 7 }, { exp: null })],
    ['an exp that is no date', () => sign({ user_id: 7, exp: 1e308 }, { exp: null })],
    ['an exp in the past', () => sign({ user_id: 7 }, { exp: '-1m' })],
    ['nobody in it', () => sign({})],
    ['an object for a user', () => sign({ user_id: { $ne: 1 } })],
    ['a fraction for a user', () => sign({ user_id: 1.5 })],
    ['a NUL in its user', () => sign({ sub: 'a\0b' })],
    ['a refresh token', () => sign({ user_id: 7, token_type: 'refresh' })],
  ])('refuses %s', async (_, token) => {
    const answer = await new Client(app.url, await token()).send('GET', LIST);
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect(answer.body).toMatchObject({ code: 'unauthorized', action: 'refresh-token' });
  });

  it.each([
    ['POST', '/api/v2/media/upload/chunk/'],
    ['POST', '/api/v2/media/upload/complete/'],
    ['GET', LIST],
    ['GET', `${LIST}${'0'.repeat(32)}/`],
    ['HEAD', `${LIST}${'0'.repeat(32)}/`],
    ['DELETE', `${LIST}${'0'.repeat(32)}/`],
    ['GET', '/api/v2/media/'],
    ['GET', '/api/v2/media/1/'],
    ['PUT', '/api/v2/media/1/'],
    ['PATCH', '/api/v2/media/1/'],
    ['DELETE', '/api/v2/media/1/'],
  ])('is needed for %s %s', async (method, path) => {
    expect((await fetch(new URL(path, app.url), { method })).status).toBe(401);
  });
});

describe('published keys', () => {
  let issuer: Server;
  let app: TestApp;
  const keys = new Map<string, CryptoKey>();

  beforeAll(async () => {
    const published: object[] = [];
    for (const alg of ['RS256', 'ES256', 'EdDSA', 'PS256']) {
      const { publicKey, privateKey } = await generateKeyPair(alg);
      keys.set(alg, privateKey);
      published.push({ ...(await exportJWK(publicKey)), kid: alg, alg, use: 'sig' });
    }
    issuer = createServer((_request, response) => response.end(JSON.stringify({ keys: published })));
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    const { port } = issuer.address() as AddressInfo;
    app = await TestApp.start({
      JWT_SECRET: '',
      JWKS_URL: `http://127.0.0.1:${port}/jwks.json`,
      JWT_ISSUER: 'https://issuer.example',
      JWT_AUDIENCE: 'media',
    });
  });
  afterAll(async () => {
    await app.stop();
    await new Promise((resolve) => issuer.close(resolve));
  });

  async function ask(alg: string, claims: JWTPayload = {}): Promise<number> {
    const token = await new SignJWT({ sub: 'u', iss: 'https://issuer.example', aud: 'media', ...claims })
      .setProtectedHeader({ alg, kid: alg })
      .setExpirationTime('1h')
      .sign(keys.get(alg)!);
    return (await new Client(app.url, token).send('GET', LIST)).status;
  }

  it.each(['RS256', 'ES256', 'EdDSA'])('accepts %s', async (alg) => {
    expect(await ask(alg)).toBe(200);
  });

  it('refuses an algorithm that is not pinned, another issuer and another audience', async () => {
    expect(await ask('PS256')).toBe(401);
    expect(await ask('RS256', { iss: 'https://other.example' })).toBe(401);
    expect(await ask('RS256', { aud: 'other' })).toBe(401);
  });
});

// Last: strategies are registered by name for the whole process, and this one takes the place of the one above.
describe('published keys that cannot be had', () => {
  it('says so, and not that the token is bad, when the issuer is away', async () => {
    const away = await TestApp.start({
      JWT_SECRET: '',
      JWKS_URL: 'http://127.0.0.1:9/jwks.json',
      JWT_ISSUER: 'https://issuer.example',
      JWT_AUDIENCE: 'media',
    });
    const token = await new SignJWT({ sub: 'u' })
      .setProtectedHeader({ alg: 'RS256', kid: 'x' })
      .sign((await generateKeyPair('RS256')).privateKey);
    const { status, body } = await new Client(away.url, token).send('GET', LIST);
    expect([status, body.action]).toEqual([503, 'wait']);
    // A route for everybody does without.
    const click = await new Client(away.url, token).send('POST', '/api/v2/media/1/click/');
    expect(click.status).toBe(204);
    await away.stop();
  });
});
