import type { MediaDto } from './api-types.js';
import type { RetryPolicy } from './backoff.js';
import type { SessionStore } from './session-store.js';
import type { TokenOption } from './tokens.js';

/** How to reach the server. */
export interface ConnectionOptions {
  /** URL of the server, such as `https://media.example`. In a browser, the default is the origin of the page. */
  readonly url?: string | URL;
  readonly token?: TokenOption;
  /** Headers added to every request, for instance for a proxy. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Timeout of one request; default 60. */
  readonly timeoutSeconds?: number;
  readonly fetch?: typeof fetch;
}

export interface UploadOptions extends ConnectionOptions {
  /** File name, if the input has none or you want another one. */
  readonly name?: string;
  /** Size in bytes; required for streams. */
  readonly size?: number;
  /** Type of the media item; `eimage` is an image embedded in a text. By default, the content decides. */
  readonly type?: MediaDto['type'];
  /** When the server may remove the upload if it is not finished. */
  readonly expires?: Date;
  /** Default 204,800, which is the default limit of the server. */
  readonly chunkBytes?: number;
  /**
   * Whether to resume an earlier upload of the same file: `here` (the default) if it is in the store; `anywhere` also
   * if it is in the server's list, for instance from another device; or `never`.
   */
  readonly resume?: 'here' | 'anywhere' | 'never';
  /** Where unfinished uploads are stored. Default: localStorage in browsers, memory in Node.js. */
  readonly store?: SessionStore;
  /** Identifies the file when resuming, if name, size and modification time do not: for bytes and streams. */
  readonly fingerprint?: string;
  readonly retry?: Partial<RetryPolicy>;
  /** Aborts the upload. It stays on the server and can be resumed. */
  readonly signal?: AbortSignal;
}
