import { randomBytes } from 'node:crypto';

/** 128 random bits as 32 hex digits. */
export function newUploadId(): string {
  return randomBytes(16).toString('hex');
}

/** Anything else names no upload, and must not reach Postgres: it may hold a NUL. */
export function isUploadId(id: string): boolean {
  return /^[0-9a-f]{32}$/.test(id);
}
