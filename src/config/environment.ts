import 'reflect-metadata';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUrl,
  Matches,
  Max,
  Min,
  MinLength,
  type ValidationArguments,
  type ValidationOptions,
} from 'class-validator';
import { MEDIA_TYPES } from './media-types.js';

const MEBIBYTE = 1024 * 1024;
const GIBIBYTE = 1024 * MEBIBYTE;
const DAY_SECONDS = 86_400;

/** An origin as browsers write it, since it is compared character by character: without a path or default port. */
const ORIGIN = /^(?!http:.*:80$|https:.*:443$)(\*|null|[a-z][a-z\d+.-]*:\/\/[^A-Z/?#@\s]+)$/;

/**
 * Every setting, by the name it has in the environment. All are optional; an empty value counts as unset.
 * `.env.example` documents the same list for operators, and a test keeps the two equal.
 */
export class Environment {
  @IsIn(['development', 'production', 'test'])
  NODE_ENV: 'development' | 'production' | 'test' = 'development';

  @IsOptional()
  @IsString()
  HOST?: string;

  @WholeNumber(0, 65_535)
  PORT = 3000;

  @IsOptional()
  @WholeNumber(0, 65_535)
  METRICS_PORT?: number;

  @IsString()
  METRICS_HOST = '127.0.0.1';

  @Matches(/^(auto|[1-9]\d{0,2})$/, { message: 'must be auto or a whole number from 1' })
  WORKERS = '1';

  @IsString()
  DATA_DIR = './data';

  @IsIn(['local', 's3'])
  STORAGE: 'local' | 's3' = 'local';

  @IsOptional()
  @IsString()
  S3_BUCKET?: string;

  @IsOptional()
  @HttpUrl()
  S3_ENDPOINT?: string;

  @IsString()
  S3_REGION = 'us-east-1';

  @IsOptional()
  @Matches(/^[\w.-]+(\/[\w.-]+)*\/?$/, {
    message: 'must consist of letters, digits, dots, _ and -, with single / in between',
  })
  S3_PREFIX?: string;

  @IsIn(['true', 'false'])
  S3_FORCE_PATH_STYLE: 'true' | 'false' = 'false';

  @IsOptional()
  @IsString()
  S3_ACCESS_KEY_ID?: string;

  @IsOptional()
  @IsString()
  S3_SECRET_ACCESS_KEY?: string;

  @IsOptional()
  @IsString()
  S3_MIGRATE_FROM?: string;

  @IsIn(['stream', 'redirect'])
  S3_DOWNLOADS: 'stream' | 'redirect' = 'stream';

  @IsOptional()
  @Matches(/^(\/[\w.-]+)+\/?$/, { message: 'must be a path of letters, digits, dots, _ and -' })
  X_ACCEL_REDIRECT?: string;

  @IsIn(['true', 'false'])
  X_SENDFILE: 'true' | 'false' = 'false';

  @IsOptional()
  @Matches(/^postgres(ql)?:\/\//, { message: 'must be a postgres:// or postgresql:// URL' })
  DATABASE_URL?: string;

  @IsOptional()
  @List()
  TRUST_PROXY?: string[];

  @IsIn(['host', 'subdomains', 'off'])
  HSTS: 'host' | 'subdomains' | 'off' = 'host';

  @WholeNumber(0, 1_000_000)
  FAILED_TOKENS_PER_MINUTE = 1000;

  @WholeNumber(1, 1_000_000)
  MAX_CONNECTIONS = 10_000;

  /** Must exceed the 5 s rounds of http/connections/limits.ts, which recognizes idle connections by their timeout. */
  @WholeNumber(10, 3600)
  KEEP_ALIVE_SECONDS = 75;

  @WholeNumber(1, 100_000)
  MAX_CHUNKS_IN_MEMORY = 512;

  @WholeNumber(2, 1000)
  DATABASE_POOL_SIZE = 10;

  @IsIn(['true', 'false'])
  UNSAFE_DATABASE: 'true' | 'false' = 'false';

  @IsOptional()
  @HttpUrl()
  @Matches(/^[^?#@]*$/, { message: 'must have no query, fragment or user' })
  PUBLIC_URL?: string;

  @IsOptional()
  @MinLength(32, { message: 'must have at least 32 characters (RFC 7518, 3.2)' })
  JWT_SECRET?: string;

  @IsOptional()
  @HttpUrl()
  JWKS_URL?: string;

  @IsOptional()
  @IsString()
  JWT_ISSUER?: string;

  @IsOptional()
  @IsString()
  JWT_AUDIENCE?: string;

  @IsOptional()
  @List()
  JWT_ALGORITHMS?: string[];

  @WholeNumber(0, 3600)
  TOKEN_CACHE_SECONDS = 60;

  @WholeNumber(1, 16 * MEBIBYTE)
  CHUNK_MAX_BYTES = 204_800;

  @WholeNumber(1, 50 * MEBIBYTE)
  SINGLE_REQUEST_MAX_BYTES = 5 * MEBIBYTE;

  @WholeNumber(1, Number.MAX_SAFE_INTEGER)
  IMAGE_MAX_BYTES = 5 * MEBIBYTE;

  @WholeNumber(1, Number.MAX_SAFE_INTEGER)
  DOCUMENT_MAX_BYTES = 50 * MEBIBYTE;

  @WholeNumber(1, 1_000_000_000)
  IMAGE_MAX_PIXELS = 50_000_000;

  @WholeNumber(1, 1_000_000)
  IMAGE_MAX_FRAMES = 1000;

  @WholeNumber(64 * MEBIBYTE, Number.MAX_SAFE_INTEGER)
  IMAGE_MEMORY_BYTES = 320 * MEBIBYTE;

  @IsIn(['strip', 'keep'])
  IMAGE_METADATA: 'strip' | 'keep' = 'strip';

  @WholeNumber(16, 4096)
  THUMBNAIL_MAX_SIDE = 512;

  @IsOptional()
  @List()
  @IsIn(MEDIA_TYPES, { each: true, message: unknownTypes })
  ALLOWED_TYPES?: string[];

  @WholeNumber(1, 365 * DAY_SECONDS)
  UPLOAD_TTL_SECONDS = DAY_SECONDS;

  @WholeNumber(1, 365 * DAY_SECONDS)
  UPLOAD_MAX_TTL_SECONDS = 7 * DAY_SECONDS;

  @WholeNumber(0, Number.MAX_SAFE_INTEGER)
  USER_MAX_OPEN_UPLOADS = 10_000;

  @WholeNumber(0, Number.MAX_SAFE_INTEGER)
  USER_MAX_RESERVED_BYTES = 20 * GIBIBYTE;

  @WholeNumber(0, Number.MAX_SAFE_INTEGER)
  USER_MAX_STORED_BYTES = 0;

  @WholeNumber(0, Number.MAX_SAFE_INTEGER)
  USER_UPLOADS_PER_HOUR = 100_000;

  @WholeNumber(0, Number.MAX_SAFE_INTEGER)
  ADDRESS_UPLOADS_PER_HOUR = 1_000_000;

  @WholeNumber(0, Number.MAX_SAFE_INTEGER)
  USER_BYTES_PER_SECOND = 0;

  @WholeNumber(0, Number.MAX_SAFE_INTEGER)
  ADDRESS_BYTES_PER_SECOND = 0;

  @IsOptional()
  @WholeNumber(0, Number.MAX_SAFE_INTEGER)
  DISK_RESERVE_BYTES?: number;

  @IsIn(['public', 'signed'])
  MEDIA_URLS: 'public' | 'signed' = 'public';

  @WholeNumber(1, 365 * DAY_SECONDS)
  MEDIA_URL_TTL_SECONDS = 3600;

  @IsOptional()
  @MinLength(32, { message: 'must have at least 32 characters' })
  MEDIA_URL_SECRET?: string;

  @IsOptional()
  @WholeNumber(0, 365 * DAY_SECONDS)
  SHARED_CACHE_SECONDS?: number;

  @IsOptional()
  @List()
  @HttpUrl({ each: true })
  WEBHOOK_URL?: string[];

  @IsOptional()
  @List()
  @MinLength(24, { each: true, message: 'must have at least 24 characters each' })
  @Matches(/^(?!whsec_)|^whsec_[A-Za-z\d+/]{32,}={0,2}$/, {
    each: true,
    message: 'must have base64 of at least 24 bytes after whsec_',
  })
  @ArrayMaxSize(2, { message: 'must be one secret, or two during a rotation' })
  WEBHOOK_SECRET?: string[];

  @IsOptional()
  @HttpUrl()
  WEBHOOK_BEFORE_COMPLETE?: string;

  @IsIn(['open', 'closed'])
  WEBHOOK_BEFORE_COMPLETE_FAILURE: 'open' | 'closed' = 'closed';

  @IsOptional()
  @Matches(/^(\/.+|(\[[\da-fA-F:.]+\]|[\w.-]+):\d{1,5})$/, {
    message: 'must be host:port, or the path of a socket',
  })
  CLAMD?: string;

  @IsIn(['true', 'false'])
  WEBHOOK_ALLOW_PRIVATE: 'true' | 'false' = 'false';

  @WholeNumber(0, DAY_SECONDS)
  SWEEP_INTERVAL_SECONDS = 60;

  @WholeNumber(1, 365 * DAY_SECONDS)
  ORPHAN_AGE_SECONDS = 3600;

  @List()
  @Matches(ORIGIN, {
    each: true,
    message:
      'must be * or origins as browsers send them: https://app.example, in lower case, without a trailing slash',
  })
  CORS_ORIGINS: string[] = ['*'];

  @IsOptional()
  @List()
  @Matches(/^[\w!#$%&'*+.^`|~-]+$/, { each: true, message: 'must be names of headers' })
  CORS_ALLOWED_HEADERS?: string[];

  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
  LOG_LEVEL: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent' = 'info';
}

function WholeNumber(min: number, max: number): PropertyDecorator {
  return combine(Type(toNumber), IsInt(), Min(min), Max(max));
}

function HttpUrl(options?: ValidationOptions): PropertyDecorator {
  return combine(
    IsUrl({ protocols: ['http', 'https'], require_protocol: true, require_tld: false }, options),
  );
}

function List(): PropertyDecorator {
  return combine(
    Transform(({ value }: { value: unknown }) =>
      typeof value === 'string' ? value.split(',').map((item) => item.trim()) : value,
    ),
    IsString({ each: true }),
    MinLength(1, { each: true }),
  );
}

function unknownTypes({ value }: ValidationArguments): string {
  const unknown = (value as string[]).filter((type) => !MEDIA_TYPES.some((known) => known === type));
  return `${unknown.join(', ')} is not one of ${MEDIA_TYPES.join(', ')}`;
}

function toNumber(): NumberConstructor {
  return Number;
}

function combine(...decorators: PropertyDecorator[]): PropertyDecorator {
  return (target, key) => decorators.forEach((decorate) => decorate(target, key));
}
