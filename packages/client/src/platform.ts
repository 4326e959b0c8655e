import type { SessionStore } from './session-store.js';

/** The bytes of one file. */
export interface Source {
  readonly size: number;
  readonly name: string | undefined;
  /** The same for the same file in another process; undefined when nothing tells it. */
  readonly fingerprint: string | undefined;
  /** The bytes from `start` to before `end`, all of them. */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void> | void;
}

/** MD5 in pieces, one at a time. */
export interface Hash {
  update(bytes: Uint8Array): Promise<void> | void;
  digest(): Promise<string> | string;
  close(): void;
}

/** What browsers and Node do differently. */
export interface Platform<Input> {
  open(input: Input, options: { readonly name?: string; readonly size?: number }): Promise<Source>;
  hash(): Promise<Hash>;
  /** Where sessions are remembered unless the caller says. */
  readonly store: SessionStore;
  /** What may be wrong when this server cannot be reached. */
  hint?(url: string): string | undefined;
}
