import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { Environment } from './environment.js';
import type { TokenKeys } from './settings/tokens.js';
import { ConfigError } from './config-error.js';
import { loadConfig } from './load-config.js';

const SECRET = 's'.repeat(32);
const PRODUCTION = { NODE_ENV: 'production', PUBLIC_URL: 'https://media.example' };
const JWKS = {
  JWT_SECRET: '',
  JWKS_URL: 'https://issuer.example/jwks',
  JWT_ISSUER: 'https://issuer.example',
  JWT_AUDIENCE: 'media',
};

function problems(variables: Record<string, string>): readonly string[] {
  try {
    loadConfig({ JWT_SECRET: SECRET, ...variables });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('loadConfig', () => {
  it('has a default for every setting', () => {
    expect(loadConfig({ JWT_SECRET: SECRET })).toMatchObject({
      port: 3000,
      isDemo: false,
      uploads: { chunkMaxBytes: 204_800, imageMaxBytes: 5_242_880, documentMaxBytes: 52_428_800 },
    });
  });

  it('takes an empty value for none', () => {
    expect(loadConfig({ JWT_SECRET: SECRET, PORT: '', DATABASE_URL: ' ' })).toMatchObject({ port: 3000 });
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', 'http'],
    ['PORT', '1.5'],
    ['CHUNK_MAX_BYTES', '0'],
    ['CHUNK_MAX_BYTES', '-1'],
    ['DATABASE_URL', 'mysql://x'],
    ['PUBLIC_URL', 'example.org'],
    ['JWKS_URL', 'file:///etc/passwd'],
    ['JWT_ALGORITHMS', 'none'],
    ['JWT_ALGORITHMS', 'RS256'],
    ['JWT_SECRET', 'short'],
    ['NODE_ENV', 'prod'],
    ['LOG_LEVEL', 'loud'],
    ['CORS_ORIGINS', ','],
    ['CORS_ORIGINS', 'https://app.example/'],
    ['CORS_ORIGINS', 'https://app.example,https://App.example'],
    ['CORS_ORIGINS', 'app.example'],
    ['CORS_ORIGINS', 'https://app.example:443'],
    ['PUBLIC_URL', 'https://media.example/?a=1'],
    ['PUBLIC_URL', 'https://media.example/#a'],
    ['PUBLIC_URL', 'https://user@media.example'],
    ['CORS_ALLOWED_HEADERS', 'X-A,,X-B'],
    ['CORS_ALLOWED_HEADERS', 'X A'],
    ['CORS_ALLOWED_HEADERS', 'X-A: 1'],
    ['TRUST_PROXY', 'proxy.example'],
    ['TRUST_PROXY', '10.0.0.0/33'],
    ['HSTS', 'on'],
    ['KEEP_ALIVE_SECONDS', '9'],
    ['USER_MAX_OPEN_UPLOADS', '-1'],
    ['USER_MAX_RESERVED_BYTES', '1000'],
    ['MEDIA_URLS', 'private'],
    ['MEDIA_URL_TTL_SECONDS', '0'],
    ['MEDIA_URL_SECRET', 'short'],
    ['ALLOWED_TYPES', 'image/png,image/bmp'],
    ['ALLOWED_TYPES', 'image/*'],
    ['ALLOWED_TYPES', ','],
    ['STORAGE', 'disk'],
    ['S3_ENDPOINT', 'localhost:9000'],
    ['S3_PREFIX', '/media'],
    ['S3_FORCE_PATH_STYLE', 'yes'],
  ])('names %s=%s', (name, value) => {
    expect(problems({ [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
  });

  it('takes a bucket, and credentials for it or none', () => {
    const s3 = { STORAGE: 's3', S3_BUCKET: 'media', S3_PREFIX: 'a/b' };
    expect(loadConfig({ JWT_SECRET: SECRET, ...s3 }).storage).toEqual({
      driver: 's3',
      bucket: 'media',
      endpoint: undefined,
      region: 'us-east-1',
      prefix: 'a/b/',
      forcePathStyle: false,
      credentials: undefined,
    });
    expect(problems({ STORAGE: 's3' })).toEqual(['S3_BUCKET: must be set with STORAGE=s3']);
    expect(problems({ ...s3, S3_ACCESS_KEY_ID: 'x' })).toEqual([
      expect.stringMatching(/^S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY: /),
    ]);
  });

  it('hands local files to one proxy, in one way', () => {
    const handOver = (settings: Record<string, string>) =>
      loadConfig({ JWT_SECRET: SECRET, DATA_DIR: '/data', ...settings }).downloads.handOver;
    expect(handOver({})).toBeUndefined();
    expect(handOver({ X_ACCEL_REDIRECT: '/away/' })).toEqual({ header: 'X-Accel-Redirect', base: '/away' });
    expect(handOver({ X_SENDFILE: 'true' })).toEqual({ header: 'X-Sendfile', base: '/data' });
    expect(handOver({ X_SENDFILE: 'true', DATA_DIR: '/100 % größer' })?.base).toBe(
      '/100%20%25%20gr%C3%B6%C3%9Fer',
    );
    expect(problems({ X_ACCEL_REDIRECT: '/away', X_SENDFILE: 'true' })).toEqual([
      'X_ACCEL_REDIRECT, X_SENDFILE: only one of them can be set',
    ]);
    expect(problems({ X_ACCEL_REDIRECT: '/away', STORAGE: 's3', S3_BUCKET: 'media' })).toEqual([
      expect.stringMatching(/^X_ACCEL_REDIRECT, X_SENDFILE: need STORAGE=local/),
    ]);
    expect(problems({ X_ACCEL_REDIRECT: 'away' })).toEqual([expect.stringMatching(/^X_ACCEL_REDIRECT: /)]);
  });

  it('names the media types that it does not know', () => {
    expect(problems({ ALLOWED_TYPES: 'image/png, image/bmp,image/tiff' })).toEqual([
      expect.stringMatching(/^ALLOWED_TYPES: image\/bmp, image\/tiff is not one of image\/jpeg, /),
    ]);
  });

  it('names all that is wrong at once', () => {
    expect(problems({ PORT: 'x', LOG_LEVEL: 'x' })).toHaveLength(2);
  });

  it('refuses production without a way to verify tokens, and two ways at once', () => {
    expect(problems({ ...PRODUCTION, JWT_SECRET: '' })).toEqual([
      expect.stringMatching(/^JWT_SECRET: must be set/),
    ]);
    expect(problems({ JWKS_URL: 'https://issuer.example/jwks' })).toEqual([
      expect.stringMatching(/^JWT_SECRET: cannot/),
    ]);
  });

  it('refuses production without PUBLIC_URL, and names all that it lacks', () => {
    expect(problems({ NODE_ENV: 'production' })).toEqual([expect.stringMatching(/^PUBLIC_URL: must be set/)]);
    expect(problems({ NODE_ENV: 'production', JWT_SECRET: '', ORPHAN_AGE_SECONDS: '1' })).toHaveLength(3);
    expect(problems(PRODUCTION)).toEqual([]);
  });

  it.each<[string, Record<string, string>, boolean, string]>([
    ['its own secret', { JWT_SECRET: '' }, true, '127.0.0.1'],
    ['its own secret, in development', { JWT_SECRET: '', NODE_ENV: 'development' }, true, '127.0.0.1'],
    ['its own secret and HOST', { JWT_SECRET: '', HOST: '0.0.0.0' }, true, '0.0.0.0'],
    ["the operator's secret", {}, false, '0.0.0.0'],
    ["the operator's secret and HOST", { HOST: '10.0.0.1' }, false, '10.0.0.1'],
    ['published keys', JWKS, false, '0.0.0.0'],
  ])('is for trying out, and for this machine alone, only with a secret of its own: %s', (...row) => {
    const [, variables, isDemo, host] = row;
    const dataDir = mkdtempSync(join(tmpdir(), 'mediadock-config-'));
    const config = loadConfig({ JWT_SECRET: SECRET, DATA_DIR: dataDir, ...variables });
    expect(config).toMatchObject({ isDemo, host });
    rmSync(dataDir, { recursive: true });
  });

  it('takes webhooks only with a secret, or two while it is rotated', () => {
    const WEBHOOK_URL = 'https://one.example/hook,https://two.example/hook';
    const [one, two, short] = ['a secret for webhooks no. 1', 'another secret for webhooks', 'short'];
    expect(problems({ WEBHOOK_URL })).toEqual([expect.stringMatching(/^WEBHOOK_SECRET: must be set/)]);
    expect(problems({ WEBHOOK_URL, WEBHOOK_SECRET: `${one},${two}` })).toEqual([]);
    expect(problems({ WEBHOOK_URL, WEBHOOK_SECRET: `${one},${short}` })).toHaveLength(1);
    expect(problems({ WEBHOOK_URL, WEBHOOK_SECRET: `${one},${two},${one}` })).toHaveLength(1);
    expect(problems({ WEBHOOK_URL: 'ftp://one.example', WEBHOOK_SECRET: one })).toHaveLength(1);
    const key = (bytes: number) => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`;
    expect(problems({ WEBHOOK_URL, WEBHOOK_SECRET: `${key(24)},${key(32)}` })).toEqual([]);
    for (const WEBHOOK_SECRET of [key(23), 'whsec_a secret in plain letters, of some length'])
      expect(problems({ WEBHOOK_URL, WEBHOOK_SECRET })).toEqual([
        expect.stringMatching(/base64 of at least/),
      ]);
  });

  it('reaches clamd at a port that there is', () => {
    for (const CLAMD of ['scanner:3310', '[::1]:3310', '/run/clamd.sock'])
      expect(problems({ CLAMD })).toEqual([]);
    for (const CLAMD of ['scanner', 'scanner:0', 'scanner:65536'])
      expect(problems({ CLAMD })).toHaveLength(1);
  });

  it('keeps files without a row for longer than a commit may take, in production', () => {
    expect(problems({ ...PRODUCTION, ORPHAN_AGE_SECONDS: '299' })).toEqual([
      'ORPHAN_AGE_SECONDS: must be at least 300 in production',
    ]);
    expect(problems({ ...PRODUCTION, ORPHAN_AGE_SECONDS: '300' })).toEqual([]);
    expect(problems({ ORPHAN_AGE_SECONDS: '1' })).toEqual([]);
  });

  it('signs URLs with a secret of its own or one derived from JWT_SECRET, and with nothing else', () => {
    const key = (variables: Record<string, string>) =>
      loadConfig({ JWT_SECRET: SECRET, MEDIA_URLS: 'signed', ...variables }).signedUrls?.key.export();
    expect(key({})).toEqual(key({}));
    expect(key({})).not.toEqual(Buffer.from(SECRET));
    expect(key({ MEDIA_URL_SECRET: 'm'.repeat(32) })).not.toEqual(key({}));
    expect(problems({ ...JWKS, MEDIA_URLS: 'signed' })).toEqual([
      expect.stringMatching(/^MEDIA_URL_SECRET: must be set/),
    ]);
    expect(problems({ ...JWKS, MEDIA_URLS: 'signed', MEDIA_URL_SECRET: 'm'.repeat(32) })).toEqual([]);
  });

  it('makes a secret of its own once, and keeps it', () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'mediadock-config-'));
    const secret = () =>
      (loadConfig({ DATA_DIR: dataDir }).tokens.keys as TokenKeys & { source: 'secret' }).key.export();
    expect(secret()).toEqual(secret());
    rmSync(dataDir, { recursive: true });
  });

  it('is documented setting by setting in .env.example', () => {
    const text = readFileSync('.env.example', 'utf8');
    const settings = Object.entries(new Environment()).map(([name, value]) => [name, String(value ?? '')]);
    const documented = { NODE_ENV: 'development', ...parseEnv(text) };
    expect(documented).toEqual(Object.fromEntries(settings));
    // As a copy of it comes after the settings of a unit file, it must not take production back.
    expect(parseEnv(text)).not.toHaveProperty('NODE_ENV');
    expect(text).toContain('#NODE_ENV=production');
  });
});
