import { ConfigError } from '../config-error.js';
import type { Environment } from '../environment.js';
import { MEDIA_TYPES } from '../media-types.js';

/** Room in a request for everything except the chunk or file. */
export const FORM_BYTES = 64 * 1024;

export interface UploadSettings {
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
}

/** Per user, and for the disk that all share. 0: no limit. */
export interface LimitSettings {
  readonly openUploads: number;
  /** Total size of all open uploads. */
  readonly reservedBytes: number;
  readonly storedBytes: number;
  /** Space on the disk that uploads must leave free. */
  readonly diskReserveBytes: number | undefined;
}

/** Counted per process. 0: no limit. */
export interface RateSettings {
  readonly userUploadsPerHour: number;
  readonly addressUploadsPerHour: number;
  readonly userBytesPerSecond: number;
  readonly addressBytesPerSecond: number;
}

export interface ImageSettings {
  readonly maxPixels: number;
  readonly maxFrames: number;
  /** Memory per process for decoding images, all together. */
  readonly memoryBytes: number;
  /** Whether metadata such as place, time and owner stays in the public file. */
  readonly metadata: 'strip' | 'keep';
  readonly thumbnailMaxSide: number;
}

export function uploadSettings(env: Environment): UploadSettings {
  return {
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
}

/** @throws ConfigError */
export function limitSettings(env: Environment): LimitSettings {
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

export function rateSettings(env: Environment): RateSettings {
  return {
    userUploadsPerHour: env.USER_UPLOADS_PER_HOUR,
    addressUploadsPerHour: env.ADDRESS_UPLOADS_PER_HOUR,
    userBytesPerSecond: env.USER_BYTES_PER_SECOND,
    addressBytesPerSecond: env.ADDRESS_BYTES_PER_SECOND,
  };
}

export function imageSettings(env: Environment): ImageSettings {
  return {
    maxPixels: env.IMAGE_MAX_PIXELS,
    maxFrames: env.IMAGE_MAX_FRAMES,
    memoryBytes: env.IMAGE_MEMORY_BYTES,
    metadata: env.IMAGE_METADATA,
    thumbnailMaxSide: env.THUMBNAIL_MAX_SIDE,
  };
}
