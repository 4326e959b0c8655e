import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { ConfigError } from './config-error.js';
import type { Environment } from './environment.js';
import { trustedProxies } from './settings/proxies.js';
import {
  downloadSettings,
  storageSettings,
  type DownloadSettings,
  type StorageSettings,
} from './settings/storage.js';
import {
  signedUrlSettings,
  tokenSettings,
  type SignedUrlSettings,
  type TokenSettings,
} from './settings/tokens.js';
import * as uploads from './settings/uploads.js';
import {
  admissionSettings,
  webhookSettings,
  type AdmissionSettings,
  type WebhookSettings,
} from './settings/webhooks.js';
import { withoutLastSlash } from './without-last-slash.js';

/**
 * A file that is younger may still get a row. Must exceed the 120 s within which a new part has to be committed
 * (media/deadline.ts); the rest covers slow statements and differing clocks.
 */
const MIN_ORPHAN_AGE_SECONDS = 300;

/** The typed settings of one process. Injected by class; nothing else reads the environment. */
export class Config {
  /**
   * Whether this is a demo server, which signs tokens for anybody and simulates failures. Only if it has made its own
   * secret, so that an operator's secret never signs tokens for strangers, whatever NODE_ENV says.
   */
  readonly isDemo: boolean;
  readonly host: string;
  readonly port: number;
  /** Proxies whose headers are trusted: addresses, networks, `loopback`, or how many there are. */
  readonly trustProxy: number | readonly string[];
  /** The hosts for which browsers are told to use TLS only. */
  readonly hsts: 'host' | 'subdomains' | 'off';
  /** Per process. Further connections are closed at once. */
  readonly maxConnections: number;
  /** Longer than proxies keep idle connections, because the side that sends requests should close first. */
  readonly keepAliveSeconds: number;
  /** Undefined: no metrics. */
  readonly metricsPort: number | undefined;
  readonly metricsHost: string;
  /** Processes that serve, on one port. */
  readonly workers: number;
  /** Absolute path. */
  readonly dataDir: string;
  readonly storage: StorageSettings;
  readonly downloads: DownloadSettings;
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
  readonly tokens: TokenSettings;
  readonly uploads: uploads.UploadSettings;
  readonly images: uploads.ImageSettings;
  readonly limits: uploads.LimitSettings;
  readonly rates: uploads.RateSettings;
  /** Unset: the URLs of files are public and last as long as the file. */
  readonly signedUrls: SignedUrlSettings | undefined;
  readonly webhooks: WebhookSettings;
  readonly admission: AdmissionSettings;
  /** An interval of 0: another process sweeps. */
  readonly sweep: { readonly intervalSeconds: number; readonly orphanAgeSeconds: number };
  readonly cors: { readonly origins: readonly string[]; readonly allowedHeaders: readonly string[] };
  readonly logLevel: string;

  /** @throws ConfigError */
  constructor(env: Environment) {
    refuseInProduction(env);
    this.isDemo = isDemoServer(env);
    this.host = env.HOST ?? (this.isDemo ? '127.0.0.1' : '0.0.0.0');
    this.port = env.PORT;
    this.trustProxy = trustedProxies(env.TRUST_PROXY ?? []);
    this.hsts = env.HSTS;
    this.maxConnections = env.MAX_CONNECTIONS;
    this.keepAliveSeconds = env.KEEP_ALIVE_SECONDS;
    this.metricsPort = env.METRICS_PORT;
    this.metricsHost = env.METRICS_HOST;
    this.workers = env.WORKERS === 'auto' ? availableParallelism() : Number(env.WORKERS);
    this.dataDir = resolve(env.DATA_DIR);
    this.storage = storageSettings(env);
    this.downloads = downloadSettings(env, this.dataDir);
    this.database = {
      url: env.DATABASE_URL,
      poolSize: env.DATABASE_POOL_SIZE,
      unsafe: env.UNSAFE_DATABASE === 'true',
    };
    this.publicUrl = env.PUBLIC_URL && withoutLastSlash(env.PUBLIC_URL);
    this.publicPath = this.publicUrl ? withoutLastSlash(new URL(this.publicUrl).pathname) : '';
    this.tokens = tokenSettings(env, this.dataDir);
    this.uploads = uploads.uploadSettings(env);
    this.images = uploads.imageSettings(env);
    this.limits = uploads.limitSettings(env);
    this.rates = uploads.rateSettings(env);
    this.signedUrls = signedUrlSettings(env, this.tokens);
    this.webhooks = webhookSettings(env);
    this.admission = admissionSettings(env);
    this.sweep = { intervalSeconds: env.SWEEP_INTERVAL_SECONDS, orphanAgeSeconds: env.ORPHAN_AGE_SECONDS };
    this.cors = { origins: env.CORS_ORIGINS, allowedHeaders: env.CORS_ALLOWED_HEADERS ?? [] };
    this.logLevel = env.LOG_LEVEL;
  }
}

function isDemoServer(env: Environment): boolean {
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
