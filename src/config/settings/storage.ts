import { resolve } from 'node:path';
import { ConfigError } from '../config-error.js';
import type { Environment } from '../environment.js';
import { withoutLastSlash } from '../without-last-slash.js';

/** In the data directory, or in a bucket, with only scratch files in the data directory. */
export type StorageSettings = { readonly driver: 'local' } | S3Settings;

/** A bucket of an object store. */
export interface S3Settings {
  readonly driver: 's3';
  readonly bucket: string;
  /** Unset: that of AWS for the region. */
  readonly endpoint: string | undefined;
  readonly region: string;
  /** What every key starts with: empty, or with a trailing slash. */
  readonly prefix: string;
  readonly forcePathStyle: boolean;
  /** If set, clients get finished files from the store itself, at signed URLs that are valid for minutes. */
  readonly downloads: 'redirect' | undefined;
  /** Absolute path of the data directory whose files are being moved to the bucket. */
  readonly migrateFrom: string | undefined;
  /** Unset: as the SDK finds them. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

export interface DownloadSettings {
  /** Lets the proxy send files, by a header with this base before the path in the data directory. Unset: the server does. */
  readonly handOver: { readonly header: string; readonly base: string } | undefined;
  /** How long proxies and CDNs keep a file; undefined: as long as browsers. */
  readonly sharedCacheSeconds: number | undefined;
}

/** @throws ConfigError */
export function storageSettings(env: Environment): StorageSettings {
  return env.STORAGE === 's3' ? s3Settings(env) : { driver: 'local' };
}

/** @throws ConfigError */
export function downloadSettings(env: Environment, dataDir: string): DownloadSettings {
  return { handOver: handOver(env, dataDir), sharedCacheSeconds: env.SHARED_CACHE_SECONDS };
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

function handOver(env: Environment, dataDir: string): DownloadSettings['handOver'] {
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
