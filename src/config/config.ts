import 'reflect-metadata';
import { createSecretKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { Environment } from './environment.js';
import { loadJwtSecret } from './jwt-secret.js';
import { MEDIA_TYPES } from './media-types.js';

/** How bearer tokens are verified: by a shared secret, or by the keys an issuer publishes. */
export type TokenKeys =
  | { readonly source: 'secret'; readonly key: KeyObject; readonly algorithms: readonly string[] }
  | { readonly source: 'jwks'; readonly url: URL; readonly algorithms: readonly string[] };

/** Room in a chunk request for all that is not the chunk. */
const FORM_BYTES = 64 * 1024;

/** A file younger than this may belong to a transaction that has yet to commit: lock, statements, an idle wait. */
const LONGEST_TRANSACTION_SECONDS = 60;

/** The typed settings of one process. Injected by class; nothing else reads the environment. */
export class Config {
  readonly production: boolean;
  readonly host: string;
  readonly port: number;
  /** Processes that serve, on one port. */
  readonly workers: number;
  /** Absolute path. */
  readonly dataDir: string;
  readonly database: { readonly url: string | undefined; readonly poolSize: number };
  /** Origin that file URLs start with, without a last slash; unset: the origin the request came to. */
  readonly publicUrl: string | undefined;
  readonly tokens: {
    readonly keys: TokenKeys;
    readonly issuer: string | undefined;
    readonly audience: string | undefined;
    /** How long a token that was found good is not verified again; 0: every time. */
    readonly cacheSeconds: number;
  };
  readonly uploads: {
    readonly chunkMaxBytes: number;
    /** A chunk with the boundaries, part heads and small fields around it. */
    readonly requestMaxBytes: number;
    readonly imageMaxBytes: number;
    readonly documentMaxBytes: number;
    /** Media types, as the bytes tell them. */
    readonly allowedTypes: readonly string[];
    readonly ttlSeconds: number;
    readonly maxTtlSeconds: number;
  };
  /** An interval of 0: another process sweeps. */
  readonly sweep: { readonly intervalSeconds: number; readonly orphanAgeSeconds: number };
  readonly corsOrigins: readonly string[];
  readonly logLevel: string;

  constructor(env: Environment) {
    this.production = env.NODE_ENV === 'production';
    this.host = env.HOST;
    this.port = env.PORT;
    this.workers = env.WORKERS === 'auto' ? availableParallelism() : Number(env.WORKERS);
    this.dataDir = resolve(env.DATA_DIR);
    this.database = { url: env.DATABASE_URL, poolSize: env.DATABASE_POOL_SIZE };
    this.publicUrl = env.PUBLIC_URL?.replace(/\/+$/, '');
    this.tokens = {
      keys: tokenKeys(env, this.dataDir),
      issuer: env.JWT_ISSUER,
      audience: env.JWT_AUDIENCE,
      cacheSeconds: env.TOKEN_CACHE_SECONDS,
    };
    this.uploads = {
      chunkMaxBytes: env.CHUNK_MAX_BYTES,
      requestMaxBytes: env.CHUNK_MAX_BYTES + FORM_BYTES,
      imageMaxBytes: env.IMAGE_MAX_BYTES,
      documentMaxBytes: env.DOCUMENT_MAX_BYTES,
      allowedTypes: env.ALLOWED_TYPES ?? MEDIA_TYPES,
      ttlSeconds: env.UPLOAD_TTL_SECONDS,
      maxTtlSeconds: env.UPLOAD_MAX_TTL_SECONDS,
    };
    if (this.production && env.ORPHAN_AGE_SECONDS < LONGEST_TRANSACTION_SECONDS) {
      throw new ConfigError([
        `ORPHAN_AGE_SECONDS: must be at least ${LONGEST_TRANSACTION_SECONDS} in production`,
      ]);
    }
    this.sweep = { intervalSeconds: env.SWEEP_INTERVAL_SECONDS, orphanAgeSeconds: env.ORPHAN_AGE_SECONDS };
    this.corsOrigins = env.CORS_ORIGINS;
    this.logLevel = env.LOG_LEVEL;
  }
}

/** A setting that stops the start; the message names each wrong one and what it should be. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(`These settings are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}

/** Reads and checks the settings; unknown variables are ignored. @throws ConfigError */
export function loadConfig(
  variables: Readonly<Record<string, string | undefined>> = processVariables(),
): Config {
  const given = Object.entries(variables).filter(([, value]) => value !== undefined && value.trim() !== '');
  const environment = plainToInstance(Environment, Object.fromEntries(given));
  const problems = validateSync(environment).map(
    ({ property, constraints }) => `${property}: ${Object.values(constraints ?? {}).join(', ')}`,
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return new Config(environment);
}

/** The variables of the process, and below them those of a `.env` file in the working directory. */
function processVariables(): Readonly<Record<string, string | undefined>> {
  if (existsSync('.env')) process.loadEnvFile('.env');
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
        'JWT_ISSUER, JWT_AUDIENCE: must be set with JWKS_URL, whose keys may sign for other apps too',
      ]);
    }
    const algorithms = pinned(env, PUBLISHED_ALGORITHMS, ['RS256', 'ES256', 'EdDSA']);
    return { source: 'jwks', url: new URL(env.JWKS_URL), algorithms };
  }
  const algorithms = pinned(env, SECRET_ALGORITHMS, ['HS256']);
  if (!env.JWT_SECRET && env.NODE_ENV === 'production') {
    throw new ConfigError(['JWT_SECRET: must be set in production (or JWKS_URL)']);
  }
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
