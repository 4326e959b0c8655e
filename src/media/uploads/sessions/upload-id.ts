import { createHash, randomBytes } from 'node:crypto';

/** 128 random bits as 32 hex digits. */
export function newUploadId(): string {
  return randomBytes(16).toString('hex');
}

/** Anything else names no upload, and must not reach Postgres: it may hold a NUL. */
export function isUploadId(id: string): boolean {
  return /^[0-9a-f]{32}$/.test(id);
}

/** Name of the finished file. Whoever knows it must not learn the id of its upload. */
export function keyOf(uploadId: string): string {
  return createHash('sha256').update(`mediadock file ${uploadId}`).digest('hex').slice(0, 32);
}
