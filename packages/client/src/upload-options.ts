import type { MediaDto } from './api-types.js';
import type { RetryPolicy } from './backoff.js';
import type { SessionStore } from './session-store.js';
import type { TokenOption } from './tokens.js';

/** How to reach the server. */
export interface ConnectionOptions {
  /** Where the server is, such as `https://media.example`; in a browser the page's own origin by default. */
  readonly url?: string | URL;
  readonly token?: TokenOption;
  /** For every request, such as those a proxy wants. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For one request; default 60. */
  readonly timeoutSeconds?: number;
  readonly fetch?: typeof fetch;
}

export interface UploadOptions extends ConnectionOptions {
  /** File name, if the input has none or another one is wanted. */
  readonly name?: string;
  /** In bytes; for streams. */
  readonly size?: number;
  /** What to make of it: `eimage` is an image embedded in a text. Decided by the content unless said. */
  readonly type?: MediaDto['type'];
  /** When the server may give an unfinished upload up. */
  readonly expires?: Date;
  /** Default 204,800, which is the server's limit unless it is configured. */
  readonly chunkBytes?: number;
  /**
   * Whether to go on with an earlier upload of the same file: `here`, begun with the same store (the default); `anywhere`,
   * also looks for one from another device in the server's list; `never`.
   */
  readonly resume?: 'here' | 'anywhere' | 'never';
  /** Where uploads are remembered: localStorage in a browser, memory in Node. */
  readonly store?: SessionStore;
  /** Tells the same file again where its name, size and time do not: for bytes and streams. */
  readonly fingerprint?: string;
  readonly retry?: Partial<RetryPolicy>;
  /** Aborts the upload, which stays on the server to be resumed. */
  readonly signal?: AbortSignal;
}
