import { ServiceUnavailable } from '../../errors/app-error.js';
import { StorageFull } from '../storage.errors.js';

/** What the SDK throws, by its shape: an answer of the store, or a failure on the way to it. */
export interface S3Error extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const FULL = new Set(['QuotaExceeded', 'InsufficientStorage', 'XMinioStorageFull', 'ServiceQuotaExceeded']);

/** Runs calls of the SDK and turns what they throw into an error that can be answered. */
export async function reaching<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw FULL.has((error as S3Error).name) ? new StorageFull(error) : outOfReach(error);
  }
}

export function outOfReach(cause: unknown): ServiceUnavailable {
  return new ServiceUnavailable('The stored bytes are not available', cause);
}

/** Resolves to undefined where the store answered that there is no such object. */
export async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  return await unless(['NoSuchKey'], call);
}

/** The same for HEAD, whose answer has no body, and so no name for what is missing. */
export async function unlessUnnamed<T>(call: Promise<T>): Promise<T | undefined> {
  return await unless(['NoSuchKey', 'NotFound'], call);
}

async function unless<T>(names: readonly string[], call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (names.includes((error as S3Error).name)) return undefined;
    throw error;
  }
}

export function statusOf(error: unknown): number | undefined {
  return (error as S3Error).$metadata?.httpStatusCode;
}
