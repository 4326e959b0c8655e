import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, type JWTHeaderParameters, type JWTPayload } from 'jose';
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

/** An issuer that can change its keys and go away, and an app that trusts it. */
class Issuer {
  published: object[] = [];
  isAway = false;
  requests = 0;
  app!: TestApp;
  private readonly server = createServer((_request, response) => {
    this.requests++;
    response.statusCode = this.isAway ? 503 : 200;
    response.end(JSON.stringify({ keys: this.published }));
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    const { port } = this.server.address() as AddressInfo;
    this.app = await TestApp.start({
      JWT_SECRET: '',
      JWKS_URL: `http://127.0.0.1:${port}/jwks.json`,
      JWT_ISSUER: 'https://issuer.example',
      JWT_AUDIENCE: 'media',
      TOKEN_CACHE_SECONDS: '0',
    });
  }

  async stop(): Promise<void> {
    await this.app.stop();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** A private key; its public one is published. */
  async publish(alg: string, more: object = {}): Promise<CryptoKey> {
    const { publicKey, privateKey } = await generateKeyPair(alg);
    this.published.push({ ...(await exportJWK(publicKey)), ...more });
    return privateKey;
  }

  /** The status of a request with a token of this key. */
  async ask(key: CryptoKey, header: JWTHeaderParameters, claims: JWTPayload = {}): Promise<number> {
    const exp = Math.floor(Date.now() / 1000) + 86_400;
    const valid = { sub: 'u', iss: 'https://issuer.example', aud: 'media', exp };
    const token = await new SignJWT({ ...valid, ...claims }).setProtectedHeader(header).sign(key);
    return (await new Client(this.app.url, token).send('GET', LIST)).status;
  }
}

describe('published keys', () => {
  const issuer = new Issuer();
  const keys = new Map<string, CryptoKey>();

  beforeAll(async () => {
    for (const alg of ['RS256', 'ES256', 'EdDSA', 'PS256']) {
      keys.set(alg, await issuer.publish(alg, { kid: alg, alg, use: 'sig' }));
    }
    await issuer.start();
  });
  afterAll(() => issuer.stop());

  const ask = (alg: string, claims: JWTPayload = {}) => issuer.ask(keys.get(alg)!, { alg, kid: alg }, claims);

  it.each(['RS256', 'ES256', 'EdDSA'])('accepts %s', async (alg) => {
    expect(await ask(alg)).toBe(200);
  });

  it('refuses an algorithm that is not pinned, another issuer and another audience', async () => {
    expect(await ask('PS256')).toBe(401);
    expect(await ask('RS256', { iss: 'https://other.example' })).toBe(401);
    expect(await ask('RS256', { aud: 'other' })).toBe(401);
  });

  it('accept an exp with a fraction, and none that is no date', async () => {
    expect(await ask('RS256', { exp: Math.floor(Date.now() / 1000) + 59.5 })).toBe(200);
    expect(await ask('RS256', { exp: 1e308 })).toBe(401);
  });
});

describe('published keys without names', () => {
  const issuer = new Issuer();
  const keys = new Map<string, CryptoKey[]>();

  beforeAll(async () => {
    for (const [alg, count] of Object.entries({ RS256: 2, ES256: 2, EdDSA: 20 })) {
      const all = [];
      for (let i = 0; i < count; i++) all.push(await issuer.publish(alg));
      keys.set(alg, all);
    }
    await issuer.start();
  });
  afterAll(() => issuer.stop());

  it.each(['RS256', 'ES256', 'EdDSA'])('are tried one after the other: %s', async (alg) => {
    const [first, second] = keys.get(alg)!;
    expect(await issuer.ask(first!, { alg })).toBe(200);
    expect(await issuer.ask(second!, { alg })).toBe(200);
    expect(await issuer.ask(second!, { alg }, { aud: 'other' })).toBe(401);
    expect(await issuer.ask(second!, { alg }, { exp: 1 })).toBe(401);
    expect(await issuer.ask((await generateKeyPair(alg)).privateKey, { alg })).toBe(401);
  });

  it('are tried although one before them is too short to be used', async () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    issuer.published.unshift({ ...short });
    const fresh = new Issuer();
    fresh.published = [...issuer.published];
    await fresh.start();
    expect(await fresh.ask(keys.get('RS256')![1]!, { alg: 'RS256' })).toBe(200);
    await fresh.stop();
    issuer.published.shift();
  });

  it('are not all tried if there are very many', async () => {
    expect(await issuer.ask(keys.get('EdDSA')!.at(-1)!, { alg: 'EdDSA' })).toBe(401);
  });
});

describe('keys of an issuer that goes away', () => {
  const HOUR = 3_600_000;
  const issuer = new Issuer();
  let key: CryptoKey;
  let clock: jest.SpiedFunction<typeof Date.now>;
  const later = (ms: number) => {
    const now = Date.now() + ms;
    clock.mockReturnValue(now);
  };
  const ask = (by = key, kid = 'a') => issuer.ask(by, { alg: 'ES256', kid });

  beforeEach(async () => {
    clock = jest.spyOn(Date, 'now');
    issuer.isAway = false;
    issuer.published = [];
    key = await issuer.publish('ES256', { kid: 'a' });
    await issuer.start();
  });
  afterEach(async () => {
    clock.mockRestore();
    await issuer.stop();
  });

  it('count for some hours more', async () => {
    expect(await ask()).toBe(200);
    issuer.isAway = true;
    for (const hours of [0.2, 1, 2]) {
      later(hours * HOUR);
      expect(await ask()).toBe(200);
    }
    later(HOUR);
    expect(await ask()).toBe(503);
    issuer.isAway = false;
    expect(await ask()).toBe(200);
  });

  it('do not make other keys bad ones', async () => {
    expect(await ask()).toBe(200);
    issuer.isAway = true;
    later(HOUR);
    const unknown = await issuer.publish('ES256', { kid: 'b' });
    expect(await ask(unknown)).toBe(401);
    expect(await ask(unknown, 'b')).toBe(503);
    issuer.isAway = false;
    later(HOUR / 60);
    expect(await ask(unknown, 'b')).toBe(200);
  });

  it('that were withdrawn before do not count', async () => {
    expect(await ask()).toBe(200);
    issuer.published = [];
    const other = await issuer.publish('ES256', { kid: 'b' });
    later(HOUR);
    expect(await ask()).toBe(401);
    issuer.isAway = true;
    later(HOUR);
    expect(await ask(other, 'b')).toBe(200);
    expect(await ask()).not.toBe(200);
  });

  it('are asked for again and again, but not with every token', async () => {
    expect(await ask()).toBe(200);
    issuer.isAway = true;
    later(HOUR);
    const before = issuer.requests;
    for (let i = 0; i < 5; i++) expect(await ask()).toBe(200);
    for (let i = 0; i < 5; i++) expect(await ask(key, `unknown-${i}`)).toBe(503);
    expect(issuer.requests).toBe(before + 1);
    later(HOUR / 60);
    expect(await ask()).toBe(200);
    expect(issuer.requests).toBe(before + 2);
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
    // A bad token is one, whatever the issuer says.
    expect((await new Client(away.url, await sign({ sub: 'u' })).send('GET', LIST)).status).toBe(401);
    // A route for everybody does without.
    const click = await new Client(away.url, token).send('POST', '/api/v2/media/1/click/');
    expect(click.status).toBe(204);
    await away.stop();
  });
});
