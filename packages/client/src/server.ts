import { Api } from './api.js';
import { Cancellations } from './cancellations.js';
import type { Platform } from './platform.js';
import { serverUrl } from './server-url.js';
import { TolerantStore, type SessionStore } from './session-store.js';
import { Tokens } from './tokens.js';
import type { UploadOptions } from './upload-options.js';

/** What all uploads of one call have in common. */
export interface Server {
  readonly url: string;
  readonly api: Api;
  readonly store: SessionStore;
  readonly cancellations: Cancellations;
}

/** Throws if the options have no valid server. */
export function connect(platform: Pick<Platform<never>, 'store' | 'hint'>, options: UploadOptions): Server {
  const url = serverUrl(options.url);
  const store = new TolerantStore(options.store ?? platform.store);
  const api = new Api(url, { ...options, hint: platform.hint?.(url) }, new Tokens(options.token));
  const cancellations = new Cancellations(store, url, api, options.retry);
  cancellations.catchUp();
  return { url, api, store, cancellations };
}
