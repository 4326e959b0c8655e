import { constants } from 'node:os';
import { AppError, ServiceUnavailable } from '../errors/app-error.js';

/** The disk, or the quota of the data directory, is full. */
export class StorageFull extends AppError {
  constructor(cause?: unknown) {
    super('storage-full', 507, 'There is no space left to store the bytes', {
      action: 'wait',
      headers: { 'Retry-After': '30' },
      cause,
    });
  }
}

// By number: Node has no name for EDQUOT.
const FULL = new Set([-constants.errno.ENOSPC, -constants.errno.EDQUOT]);

/** Runs file system calls and turns what they throw into an error that can be answered. */
export async function storing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw FULL.has(error.errno)
      ? new StorageFull(error)
      : new ServiceUnavailable('The stored bytes are not available', error);
  }
}

/** What a failed system call throws; told by its shape, since test runners make errors of another realm. */
function isSystemError(error: unknown): error is Error & { code: string; errno: number; syscall: string } {
  return typeof error === 'object' && error !== null && 'syscall' in error && 'code' in error;
}
