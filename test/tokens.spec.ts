import { createHmac, generateKeyPairSync } from 'node:crypto';
import { SignJWT, UnsecuredJWT, type JWTHeaderParameters, type JWTPayload } from 'jose';
import { jest } from '@jest/globals';
import { Database } from '../src/database/database.js';
import { guardedOperations } from './setup/operations.js';
import { JWT_SECRET, TestApp } from './setup/test-app.js';

const NOW = seconds();
const key = new TextEncoder().encode(JWT_SECRET);
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

const TRUSTED = { JWT_ISSUER: 'https://issuer.example', JWT_AUDIENCE: 'mediadock' };

let app: TestApp;
let questions = 0;

beforeAll(async () => {
  app = await TestApp.start(TRUSTED);
  const database = app.app.get(Database);
  const { query } = database;
  jest.spyOn(database, 'query').mockImplementation(async (text, values) => {
    // Not those of jobs, which look for work all the time.
    if (/\b(upload_session|media)\b/.test(text)) questions++;
    return await query.call(database, text, values);
  });
});
afterAll(() => app.stop());

const GOOD: JWTPayload = {
  user_id: 7,
  iss: 'https://issuer.example',
  aud: 'mediadock',
  exp: NOW + 3600,
};

/** A token signed with the right secret, whatever its claims and header are. */
async function signed(
  claims: Record<string, unknown>,
  header: Partial<JWTHeaderParameters> = {},
): Promise<string> {
  return await new SignJWT({ ...GOOD, ...claims }).setProtectedHeader({ alg: 'HS256', ...header }).sign(key);
}

/** Signed by hand, for what no library would sign. */
function forged(header: string, claims: string, secret: string | Buffer = JWT_SECRET): string {
  const input = [header, claims].map((part) => Buffer.from(part).toString('base64url')).join('.');
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

const HS256 = '{"alg":"HS256"}';
const good = JSON.stringify(GOOD);
const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' });

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const claiming = async (claims: Record<string, unknown>) => bearer(await signed(claims));
const headed = async (header: object) => bearer(await signed({}, header));

const HOSTILE: readonly [string, () => Promise<Record<string, string>> | Record<string, string>][] = [
  ['nothing', () => ({})],
  ['an empty header', () => ({ authorization: '' })],
  ['the scheme alone', () => ({ authorization: 'Bearer' })],
  ['an empty token', () => bearer('')],
  ['another scheme', async () => ({ authorization: `Basic ${await signed({})}` })],
  ['no scheme', async () => ({ authorization: await signed({}) })],
  ['two tokens in one', async () => bearer(`${await signed({})} ${await signed({})}`)],
  ['a list of tokens', async () => bearer(`${await signed({})}, ${await signed({})}`)],
  ['no JWT', () => bearer('abc')],
  ['dots', () => bearer('..')],
  ['a token of two parts', async () => bearer((await signed({})).split('.').slice(0, 2).join('.'))],
  ['a token of four parts', async () => bearer(`${await signed({})}.x`)],
  ['an encrypted token', () => bearer('eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aaaa.bbbb.cccc')],
  ['a signature cut short', async () => bearer((await signed({})).slice(0, -4))],
  ['no signature', async () => bearer(`${(await signed({})).split('.').slice(0, 2).join('.')}.`)],
  ['alg none', () => bearer(new UnsecuredJWT(GOOD).encode())],
  ['alg None', () => bearer(forged('{"alg":"None"}', good))],
  ['alg nOnE with a signature', () => bearer(forged('{"alg":"nOnE"}', good))],
  ['no alg', () => bearer(forged('{}', good))],
  ['an empty alg', () => bearer(forged('{"alg":""}', good))],
  ['alg as a list', () => bearer(forged('{"alg":["HS256","none"]}', good))],
  ['alg in lower case', () => bearer(forged('{"alg":"hs256"}', good))],
  ['HS384', async () => headed({ alg: 'HS384' })],
  ['HS512', async () => headed({ alg: 'HS512' })],
  [
    'RS256 of its own key',
    async () => bearer(await new SignJWT(GOOD).setProtectedHeader({ alg: 'RS256' }).sign(rsa.privateKey)),
  ],
  ['HS256 with a public key for a secret', () => bearer(forged(HS256, good, publicPem))],
  ['an empty secret', () => bearer(forged(HS256, good, ''))],
  ['another secret', () => bearer(forged(HS256, good, 'another secret'))],
  [
    'claims changed after signing',
    async () => {
      const [header, , signature] = (await signed({})).split('.');
      return bearer(
        `${header}.${Buffer.from(JSON.stringify({ ...GOOD, user_id: 8 })).toString('base64url')}.${signature}`,
      );
    },
  ],
  ['crit', () => bearer(forged('{"alg":"HS256","crit":["exp"],"exp":1}', good))],
  ['an unknown crit', () => bearer(forged('{"alg":"HS256","crit":["x"],"x":1}', good))],
  ['an empty crit', () => bearer(forged('{"alg":"HS256","crit":[]}', good))],
  ['the type of a refresh token', async () => headed({ typ: 'refresh+jwt' })],
  ['the type of a logout token', async () => headed({ typ: 'logout+jwt' })],
  ['a type that is no text', () => bearer(forged('{"alg":"HS256","typ":1}', good))],
  ['jwk: its own key', () => bearer(forged('{"alg":"HS256","jwk":{"kty":"oct","k":"YQ"}}', good, 'a'))],
  ['jku: its own keys', () => bearer(forged('{"alg":"HS256","jku":"http://127.0.0.1:1/"}', good, 'a'))],
  ['x5u', () => bearer(forged('{"alg":"HS256","x5u":"http://127.0.0.1:1/"}', good, 'a'))],
  ['kid: a path', () => bearer(forged('{"alg":"HS256","kid":"../../dev/null"}', good, ''))],
  ['kid: SQL', () => bearer(forged(`{"alg":"HS256","kid":"' OR 1=1 --"}`, good, 'a'))],
  ['a header that is no JSON', () => bearer(forged('alg', good))],
  ['a header that is a list', () => bearer(forged('["HS256"]', good))],
  ['claims that are no JSON', () => bearer(forged(HS256, 'claims'))],
  ['claims that are a list', () => bearer(forged(HS256, '[]'))],
  ['claims that are null', () => bearer(forged(HS256, 'null'))],
  ['no exp', () => bearer(forged(HS256, JSON.stringify({ ...GOOD, exp: undefined })))],
  ['exp 1e308', () => bearer(forged(HS256, good.replace(/"exp":\d+/, '"exp":1e308')))],
  ['exp beyond numbers', () => bearer(forged(HS256, good.replace(/"exp":\d+/, '"exp":1e999')))],
  ['exp as text', () => bearer(forged(HS256, good.replace(/"exp":(\d+)/, '"exp":"$1"')))],
  ['exp null', () => bearer(forged(HS256, good.replace(/"exp":\d+/, '"exp":null')))],
  ['exp 0', () => claiming({ exp: 0 })],
  ['exp in the past', () => claiming({ exp: NOW - 60 })],
  ['exp past what clocks may differ', () => claiming({ exp: NOW - 6 })],
  ['nbf in the future', () => claiming({ nbf: NOW + 60 })],
  ['another issuer', () => claiming({ iss: 'https://other.example' })],
  ['no issuer', () => claiming({ iss: undefined })],
  ['another audience', () => claiming({ aud: 'other' })],
  ['no audience', () => claiming({ aud: undefined })],
  ['an empty list of audiences', () => claiming({ aud: [] })],
  ['a refresh token', () => claiming({ token_type: 'refresh' })],
  ['a type of token that is null', () => claiming({ token_type: null })],
  ['nobody', () => claiming({ user_id: undefined })],
  ['user_id as an object', () => claiming({ user_id: { $ne: 1 } })],
  ['user_id as a list', () => claiming({ user_id: [7] })],
  ['user_id true', () => claiming({ user_id: true })],
  ['user_id 1.5', () => claiming({ user_id: 1.5 })],
  ['user_id 2^60', () => claiming({ user_id: 2 ** 60 })],
  ['sub as an object', () => claiming({ user_id: undefined, sub: { id: 7 } })],
  ['an empty sub', () => claiming({ user_id: undefined, sub: '' })],
  ['a sub of 300 characters', () => claiming({ user_id: undefined, sub: 'x'.repeat(300) })],
  ['NUL in sub', () => claiming({ user_id: undefined, sub: 'a\0b' })],
  ['half a character in sub', () => claiming({ user_id: undefined, sub: '\ud800' })],
];

it.each(HOSTILE)(
  '%s is refused by every operation, in the same words, unheard by the database',
  async (_, make) => {
    const headers = await make();
    const before = questions;
    const answers = [];
    for (const [method, path] of guardedOperations(app)) {
      const response = await fetch(new URL(path.replace(/\{[^}]+\}/g, '1'), app.url), { method, headers });
      const body = (await response.text()).replace(/"request_id":"[^"]+"/, '');
      answers.push(`${response.status} ${response.headers.get('www-authenticate')} ${body}`);
    }
    expect(answers.length).toBeGreaterThan(5);
    expect([...new Set(answers)]).toEqual([expect.stringMatching(/^401 Bearer \{.*"code":"unauthorized"/)]);
    expect(questions).toBe(before);
  },
);

it.each<[string, () => JWTPayload, object]>([
  ['the plain one', () => ({}), {}],
  ['a type for access tokens', () => ({}), { typ: 'at+jwt' }],
  ['one of several audiences', () => ({ aud: ['other', 'mediadock'] }), {}],
  ['dates with fractions', () => ({ iat: seconds() - 0.5, nbf: seconds() - 0.5, exp: seconds() + 59.5 }), {}],
  ['clocks that differ by seconds', () => ({ exp: seconds() - 1, nbf: seconds() + 3 }), {}],
  ['the ids of 200 groups', () => ({ groups: Array.from({ length: 200 }, () => crypto.randomUUID()) }), {}],
])('%s is taken', async (_, claims, header) => {
  const headers = bearer(await signed(claims(), header));
  expect((await fetch(new URL('/api/v2/media/upload/', app.url), { headers })).status).toBe(200);
});

it('one that is too long is named as such, and is no bad token of the address', async () => {
  await app.stop();
  app = await TestApp.start({ ...TRUSTED, FAILED_TOKENS_PER_MINUTE: '1' });
  const groups = Array.from({ length: 240 }, () => crypto.randomUUID());
  const headers = bearer(await signed({ groups }));
  for (let i = 0; i < 3; i++) {
    const response = await fetch(new URL('/api/v2/media/upload/', app.url), { headers });
    expect(response.status).toBe(431);
    expect(response.headers.get('www-authenticate')).toBeNull();
    expect(await response.json()).toMatchObject({
      code: 'token-too-large',
      action: 'fix-request',
      detail: expect.stringContaining('12288'),
      max_bytes: 12_288,
    });
  }
});

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
