import type { SessionStore } from './session-store.js';

/** The bytes of one file. */
export interface Source {
  readonly size: number;
  readonly name: string | undefined;
  /** Identifies the file in other processes too. Undefined if nothing does. */
  readonly fingerprint: string | undefined;
  /** Returns all bytes from `start` to before `end`. */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void> | void;
}

/** Incremental MD5, one piece at a time. */
export interface Hash {
  update(bytes: Uint8Array): Promise<void> | void;
  digest(): Promise<string> | string;
  close(): void;
}

/** What differs between browsers and Node.js. */
export interface Platform<Input> {
  open(input: Input, options: { readonly name?: string; readonly size?: number }): Promise<Source>;
  hash(): Promise<Hash>;
  /** The default store of sessions. */
  readonly store: SessionStore;
  /** A hint for people if this server cannot be reached. */
  hint?(url: string): string | undefined;
}
