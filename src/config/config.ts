import { createHash, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { Environment } from './environment.js';
import { loadJwtSecret } from './jwt-secret.js';
import { MEDIA_TYPES } from './media-types.js';
import { misspelledSettings } from './misspelled.js';
import { StartError } from './start-error.js';

/** How bearer tokens are verified: by a shared secret, or by the keys an issuer publishes. */
export type TokenKeys =
  | { readonly source: 'secret'; readonly key: KeyObject; readonly algorithms: readonly string[] }
  | { readonly source: 'jwks'; readonly url: URL; readonly algorithms: readonly string[] };

/** A bucket of an object store. */
export interface S3Settings {
  readonly driver: 's3';
  readonly bucket: string;
  /** Unset: that of AWS for the region. */
  readonly endpoint: string | undefined;
  readonly region: string;
  /** What every key starts with: empty, or with a last slash. */
  readonly prefix: string;
  readonly forcePathStyle: boolean;
  /** If set, clients get finished files from the store itself, at signed URLs that are valid for minutes. */
  readonly downloads: 'redirect' | undefined;
  /** Absolute path of the data directory whose files are being moved to the bucket. */
  readonly migrateFrom: string | undefined;
  /** Unset: as the SDK finds them. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

/** A URL that events are sent to. */
export interface Receiver {
  /** 16 hex digits. */
  readonly id: string;
  readonly url: URL;
}

/** Room in a request for everything except the chunk or file. */
export const FORM_BYTES = 64 * 1024;

/**
 * A younger file may still get a row. Must exceed the 120 s within which a new part has to be committed
 * (media/uploads/sessions); the rest covers slow statements and differing clocks.
 */
const MIN_ORPHAN_AGE_SECONDS = 300;

/** The typed settings of one process. Injected by class; nothing else reads the environment. */
export class Config {
  /**
   * Whether this is a demo server, which signs tokens for anybody and simulates failures. Only if it has made its own
   * secret, so that an operator's secret never signs tokens for strangers, whatever NODE_ENV says.
   */
  readonly tryingOut: boolean;
  readonly host: string;
  readonly port: number;
  /** Proxies whose headers are trusted: addresses, networks, `loopback`, or how many there are. */
  readonly trustProxy: number | readonly string[];
  /** Per process. Further connections are closed at once. */
  readonly maxConnections: number;
  /** Undefined: no metrics. */
  readonly metricsPort: number | undefined;
  readonly metricsHost: string;
  /** Processes that serve, on one port. */
  readonly workers: number;
  /** Absolute path. */
  readonly dataDir: string;
  /** Where the bytes are: in `dataDir`, or in a bucket, with only scratch files in `dataDir`. */
  readonly storage: { readonly driver: 'local' } | S3Settings;
  readonly downloads: {
    /**
     * Lets the proxy send files, by a header with this base before the path in `dataDir`. Undefined: the server sends
     * them.
     */
    readonly handOver: { readonly header: string; readonly base: string } | undefined;
    /** How long proxies and CDNs keep a file; undefined: as long as browsers. */
    readonly sharedCacheSeconds: number | undefined;
  };
  readonly database: {
    readonly url: string | undefined;
    readonly poolSize: number;
    /** Whether to accept a Postgres that may lose what it has committed. */
    readonly unsafe: boolean;
  };
  /** What file URLs start with, without a trailing slash. Unset (never in production): the origin of the request. */
  readonly publicUrl: string | undefined;
  /** The path of that, which a proxy removes from requests; empty, or with a leading and no trailing slash. */
  readonly publicPath: string;
  readonly tokens: {
    readonly keys: TokenKeys;
    readonly issuer: string | undefined;
    readonly audience: string | undefined;
    /** How long a valid token is not verified again; 0: verify it every time. */
    readonly cacheSeconds: number;
    /** Bad tokens per address before it has to wait; 0: no limit. */
    readonly failuresPerMinute: number;
  };
  readonly uploads: {
    readonly chunkMaxBytes: number;
    /** Chunk requests in memory per process. Further ones get a 503. */
    readonly maxInMemory: number;
    /** A chunk with the boundaries, part heads and small fields around it. */
    readonly requestMaxBytes: number;
    /** A whole file in one request. */
    readonly singleMaxBytes: number;
    readonly imageMaxBytes: number;
    readonly documentMaxBytes: number;
    /** Media types, as detected from the bytes. */
    readonly allowedTypes: readonly string[];
    readonly ttlSeconds: number;
    readonly maxTtlSeconds: number;
  };
  readonly images: {
    readonly maxPixels: number;
    readonly maxFrames: number;
    /** Memory per process for decoding images, all together. */
    readonly memoryBytes: number;
    /** Whether metadata such as place, time and owner stays in the public file. */
    readonly metadata: 'strip' | 'keep';
    readonly thumbnailMaxSide: number;
  };
  /** Per user, and for the disk that all share. 0: no limit. */
  readonly limits: {
    readonly openUploads: number;
    /** Total size of all open uploads. */
    readonly reservedBytes: number;
    readonly storedBytes: number;
    /** Space on the disk that uploads must leave free. */
    readonly diskReserveBytes: number | undefined;
  };
  /** Counted per process. 0: no limit. */
  readonly rates: {
    readonly userUploadsPerHour: number;
    readonly addressUploadsPerHour: number;
    readonly userBytesPerSecond: number;
    readonly addressBytesPerSecond: number;
  };
  /** Unset: the URLs of files are public and last as long as the file. */
  readonly signedUrls: { readonly key: KeyObject; readonly ttlSeconds: number } | undefined;
  /** Receivers of events about uploads and media. */
  readonly webhooks: {
    readonly receivers: readonly Receiver[];
    /** The current secret, which signs first, and another one during a rotation. */
    readonly secrets: readonly string[];
    /** Whether receivers may be in private networks. */
    readonly allowPrivate: boolean;
  };
  /** Checks before a file becomes a media item. */
  readonly admission: {
    readonly url: URL | undefined;
    /** Whether a file is accepted if that URL does not answer. */
    readonly isOpen: boolean;
    readonly clamd: { readonly path: string } | { readonly host: string; readonly port: number } | undefined;
  };
  /** An interval of 0: another process sweeps. */
  readonly sweep: { readonly intervalSeconds: number; readonly orphanAgeSeconds: number };
  readonly cors: { readonly origins: readonly string[]; readonly allowedHeaders: readonly string[] };
  readonly logLevel: string;

  constructor(env: Environment) {
    refuseInProduction(env);
    this.tryingOut = isForTryingOut(env);
    this.host = env.HOST ?? (this.tryingOut ? '127.0.0.1' : '0.0.0.0');
    this.port = env.PORT;
    this.trustProxy = trustedProxies(env.TRUST_PROXY ?? []);
    this.maxConnections = env.MAX_CONNECTIONS;
    this.metricsPort = env.METRICS_PORT;
    this.metricsHost = env.METRICS_HOST;
    this.workers = env.WORKERS === 'auto' ? availableParallelism() : Number(env.WORKERS);
    this.dataDir = resolve(env.DATA_DIR);
    this.storage = env.STORAGE === 's3' ? s3Settings(env) : { driver: 'local' };
    this.downloads = { handOver: handOver(env, this.dataDir), sharedCacheSeconds: env.SHARED_CACHE_SECONDS };
    this.database = {
      url: env.DATABASE_URL,
      poolSize: env.DATABASE_POOL_SIZE,
      unsafe: env.UNSAFE_DATABASE === 'true',
    };
    this.publicUrl = env.PUBLIC_URL && withoutLastSlash(env.PUBLIC_URL);
    this.publicPath = this.publicUrl ? withoutLastSlash(new URL(this.publicUrl).pathname) : '';
    this.tokens = {
      keys: tokenKeys(env, this.dataDir),
      issuer: env.JWT_ISSUER,
      audience: env.JWT_AUDIENCE,
      cacheSeconds: env.TOKEN_CACHE_SECONDS,
      failuresPerMinute: env.FAILED_TOKENS_PER_MINUTE,
    };
    this.uploads = {
      chunkMaxBytes: env.CHUNK_MAX_BYTES,
      maxInMemory: env.MAX_CHUNKS_IN_MEMORY,
      requestMaxBytes: env.CHUNK_MAX_BYTES + FORM_BYTES,
      singleMaxBytes: env.SINGLE_REQUEST_MAX_BYTES,
      imageMaxBytes: env.IMAGE_MAX_BYTES,
      documentMaxBytes: env.DOCUMENT_MAX_BYTES,
      allowedTypes: env.ALLOWED_TYPES ?? MEDIA_TYPES,
      ttlSeconds: env.UPLOAD_TTL_SECONDS,
      maxTtlSeconds: env.UPLOAD_MAX_TTL_SECONDS,
    };
    this.images = {
      maxPixels: env.IMAGE_MAX_PIXELS,
      maxFrames: env.IMAGE_MAX_FRAMES,
      memoryBytes: env.IMAGE_MEMORY_BYTES,
      metadata: env.IMAGE_METADATA,
      thumbnailMaxSide: env.THUMBNAIL_MAX_SIDE,
    };
    this.limits = limits(env);
    this.rates = rates(env);
    this.signedUrls =
      env.MEDIA_URLS === 'signed'
        ? { key: urlKey(env, this.tokens.keys), ttlSeconds: env.MEDIA_URL_TTL_SECONDS }
        : undefined;
    this.webhooks = webhooks(env);
    this.admission = admission(env);
    this.sweep = { intervalSeconds: env.SWEEP_INTERVAL_SECONDS, orphanAgeSeconds: env.ORPHAN_AGE_SECONDS };
    this.cors = { origins: env.CORS_ORIGINS, allowedHeaders: env.CORS_ALLOWED_HEADERS ?? [] };
    this.logLevel = env.LOG_LEVEL;
  }
}

function isForTryingOut(env: Environment): boolean {
  return env.NODE_ENV !== 'production' && !env.JWT_SECRET && !env.JWKS_URL;
}

/** Refuses settings that are only good enough for a demo server. @throws ConfigError */
function refuseInProduction(env: Environment): void {
  if (env.NODE_ENV !== 'production') return;
  const problems = [
    !env.JWT_SECRET && !env.JWKS_URL && 'JWT_SECRET: must be set in production (or JWKS_URL)',
    !env.PUBLIC_URL &&
      'PUBLIC_URL: must be set in production, so that requests cannot change the URLs of files',
    env.ORPHAN_AGE_SECONDS < MIN_ORPHAN_AGE_SECONDS &&
      `ORPHAN_AGE_SECONDS: must be at least ${MIN_ORPHAN_AGE_SECONDS} in production`,
  ].filter((problem) => problem !== false);
  if (problems.length > 0) throw new ConfigError(problems);
}

function withoutLastSlash(url: string): string {
  return url.endsWith('/') ? withoutLastSlash(url.slice(0, -1)) : url;
}

function trustedProxies(given: readonly string[]): number | readonly string[] {
  if (given.length === 1 && /^\d{1,3}$/.test(given[0] ?? '')) return Number(given[0]);
  const wrong = given.filter((name) => !NAMED_NETWORKS.includes(name) && !isNetwork(name));
  if (wrong.length === 0) return given;
  throw new ConfigError([
    `TRUST_PROXY: ${wrong.join(', ')} is not an address, a network or a number of proxies`,
  ]);
}

/** In the form that Express expects. */
const NAMED_NETWORKS = ['loopback', 'linklocal', 'uniquelocal'];

function isNetwork(text: string): boolean {
  const [, address = '', bits = '0'] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  return isIP(address) !== 0 && Number(bits) <= (isIP(address) === 4 ? 32 : 128);
}

/** Invalid settings, which stop the start. The message names each one and says what it should be. */
export class ConfigError extends StartError {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(`These settings are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}

type Variables = Readonly<Record<string, string | undefined>>;

/** Reads and checks the settings; unknown variables are ignored. @throws ConfigError */
export function loadConfig(variables: Variables = processVariables()): Config {
  const given = Object.entries(variables).filter(([, value]) => value !== undefined && value.trim() !== '');
  const environment = plainToInstance(Environment, Object.fromEntries(given));
  const problems = validateSync(environment).map(
    ({ property, constraints }) => `${property}: ${Object.values(constraints ?? {}).join(', ')}`,
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return new Config(environment);
}

/** A message for each variable of this process that looks like a misspelled setting. */
export function doubts(): string[] {
  return misspelledSettings(Object.keys(processVariables()));
}

/** The environment of the process, and for variables that it lacks, a `.env` file in the working directory. */
function processVariables(): Variables {
  try {
    if (existsSync('.env')) process.loadEnvFile('.env');
  } catch (cause) {
    const { message } = cause as Error;
    throw new StartError(`.env: cannot be read (${message}). Put it right, or remove it.`, { cause });
  }
  return process.env;
}

const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'];
const PUBLISHED_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];

function tokenKeys(env: Environment, dataDir: string): TokenKeys {
  if (env.JWKS_URL && env.JWT_SECRET) {
    throw new ConfigError(['JWT_SECRET: cannot be set together with JWKS_URL, choose one']);
  }
  if (env.JWKS_URL) {
    if (!env.JWT_ISSUER || !env.JWT_AUDIENCE) {
      throw new ConfigError([
        'JWT_ISSUER, JWT_AUDIENCE: must be set with JWKS_URL, because its keys may also sign tokens for other apps',
      ]);
    }
    const algorithms = pinned(env, PUBLISHED_ALGORITHMS, ['RS256', 'ES256', 'EdDSA']);
    return { source: 'jwks', url: new URL(env.JWKS_URL), algorithms };
  }
  const algorithms = pinned(env, SECRET_ALGORITHMS, ['HS256']);
  const secret = env.JWT_SECRET ?? loadJwtSecret(dataDir);
  return { source: 'secret', key: createSecretKey(Buffer.from(secret)), algorithms };
}

function pinned(
  env: Environment,
  allowed: readonly string[],
  standard: readonly string[],
): readonly string[] {
  const algorithms = env.JWT_ALGORITHMS ?? standard;
  const wrong = algorithms.filter((algorithm) => !allowed.includes(algorithm));
  if (wrong.length === 0) return algorithms;
  throw new ConfigError([`JWT_ALGORITHMS: ${wrong.join(', ')} is not one of ${allowed.join(', ')}`]);
}

function limits(env: Environment): Config['limits'] {
  const largest = Math.max(env.IMAGE_MAX_BYTES, env.DOCUMENT_MAX_BYTES);
  if (env.USER_MAX_RESERVED_BYTES > 0 && env.USER_MAX_RESERVED_BYTES < largest) {
    throw new ConfigError([
      `USER_MAX_RESERVED_BYTES: must be at least ${largest}, the largest upload (IMAGE_MAX_BYTES, DOCUMENT_MAX_BYTES), or 0`,
    ]);
  }
  return {
    openUploads: env.USER_MAX_OPEN_UPLOADS,
    reservedBytes: env.USER_MAX_RESERVED_BYTES,
    storedBytes: env.USER_MAX_STORED_BYTES,
    diskReserveBytes: env.DISK_RESERVE_BYTES,
  };
}

function handOver(env: Environment, dataDir: string): Config['downloads']['handOver'] {
  const { X_ACCEL_REDIRECT: path } = env;
  const hasSendfile = env.X_SENDFILE === 'true';
  if (!path && !hasSendfile) return undefined;
  if (path && hasSendfile)
    throw new ConfigError(['X_ACCEL_REDIRECT, X_SENDFILE: only one of them can be set']);
  if (env.STORAGE !== 'local')
    throw new ConfigError(['X_ACCEL_REDIRECT, X_SENDFILE: need STORAGE=local; see S3_DOWNLOADS']);
  return path
    ? { header: 'X-Accel-Redirect', base: withoutLastSlash(path) }
    : { header: 'X-Sendfile', base: encodeURI(dataDir) };
}

function rates(env: Environment): Config['rates'] {
  return {
    userUploadsPerHour: env.USER_UPLOADS_PER_HOUR,
    addressUploadsPerHour: env.ADDRESS_UPLOADS_PER_HOUR,
    userBytesPerSecond: env.USER_BYTES_PER_SECOND,
    addressBytesPerSecond: env.ADDRESS_BYTES_PER_SECOND,
  };
}

function s3Settings(env: Environment): S3Settings {
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey, S3_PREFIX: prefix } = env;
  if (!env.S3_BUCKET) throw new ConfigError(['S3_BUCKET: must be set with STORAGE=s3']);
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
    throw new ConfigError(['S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY: must be set together, or neither']);
  return {
    driver: 's3',
    bucket: env.S3_BUCKET,
    endpoint: env.S3_ENDPOINT,
    region: env.S3_REGION,
    prefix: prefix ? `${withoutLastSlash(prefix)}/` : '',
    forcePathStyle: env.S3_FORCE_PATH_STYLE === 'true',
    migrateFrom: env.S3_MIGRATE_FROM && resolve(env.S3_MIGRATE_FROM),
    downloads: env.S3_DOWNLOADS === 'redirect' ? 'redirect' : undefined,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined,
  };
}

function webhooks(env: Environment): Config['webhooks'] {
  const { WEBHOOK_URL: urls = [], WEBHOOK_SECRET: secrets = [] } = env;
  if ((urls.length > 0 || env.WEBHOOK_BEFORE_COMPLETE) && secrets.length === 0)
    throw new ConfigError([
      'WEBHOOK_SECRET: must be set with WEBHOOK_URL and WEBHOOK_BEFORE_COMPLETE, so that receivers can verify who sends',
    ]);
  const receivers = [...new Set(urls)].map((url) => ({ id: receiverId(url), url: new URL(url) }));
  return { receivers, secrets, allowPrivate: env.WEBHOOK_ALLOW_PRIVATE === 'true' };
}

function admission(env: Environment): Config['admission'] {
  const { WEBHOOK_BEFORE_COMPLETE: url, CLAMD: clamd = '' } = env;
  const [, host = '', port] = /^\[?([^/]+?)\]?:(\d+)$/.exec(clamd) ?? [];
  if (port && (Number(port) < 1 || Number(port) > 65_535))
    throw new ConfigError(['CLAMD: the port must be 1 to 65535']);
  return {
    url: url ? new URL(url) : undefined,
    isOpen: env.WEBHOOK_BEFORE_COMPLETE_FAILURE === 'open',
    clamd: clamd === '' ? undefined : port ? { host, port: Number(port) } : { path: clamd },
  };
}

/** Distinguishes receivers in the database without storing URLs, which may contain secrets. */
function receiverId(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 16);
}

/** A derived key, so that signatures of URLs reveal nothing about signatures of tokens (RFC 5869). */
function urlKey(env: Environment, keys: TokenKeys): KeyObject {
  if (!env.MEDIA_URL_SECRET && keys.source === 'jwks') {
    throw new ConfigError(['MEDIA_URL_SECRET: must be set with MEDIA_URLS=signed and JWKS_URL']);
  }
  const secret = env.MEDIA_URL_SECRET ?? (keys.source === 'secret' ? keys.key : '');
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', 'mediadock file urls', 32)));
}
