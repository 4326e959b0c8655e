import { onAbort } from './on-abort.js';
import type { MediaDto } from './api-types.js';
import { Bookmark } from './bookmark.js';
import { Checksum } from './checksum.js';
import { Claim } from './claim.js';
import { Emitter } from './events.js';
import type { Hash, Source } from './platform.js';
import type { Server } from './server.js';
import type { Slots } from './slots.js';
import { Speed, type Progress } from './speed.js';
import { gistOf } from './title.js';
import { Transfer } from './transfer.js';
import { LocalError, toUploadError, type UploadError } from './upload-error.js';
import type { UploadOptions } from './upload-options.js';

export type UploadState = 'queued' | 'running' | 'paused' | 'done' | 'failed' | 'aborted';

export interface UploadEvents {
  progress: Progress;
  state: UploadState;
  /** A request failed and will be retried after `delayMs` milliseconds. */
  retry: { readonly error: UploadError; readonly delayMs: number };
}

/** What the uploads of one call share. */
export interface UploadContext {
  readonly hash: () => Promise<Hash>;
  readonly slots: Slots;
  /** Throws if the options have no valid server. */
  readonly server: () => Server;
}

const PAUSED = Symbol('paused');

/** One upload, with its progress, and methods to pause, resume and abort it. */
export class Upload {
  /** Resolves to the media item. Rejects with an `UploadError`. */
  readonly media: Promise<MediaDto>;
  private resolve!: (media: MediaDto) => void;
  private reject!: (error: UploadError) => void;
  private currentState: UploadState = 'queued';
  private currentProgress: Progress | undefined;
  private transfer: Transfer | undefined;
  private close: () => Promise<void> = async () => undefined;
  /** Lets the next upload of the same file resume this one. */
  private release: () => void = () => undefined;
  private stop = new AbortController();
  private going: Promise<void>;
  private readonly events = new Emitter<UploadEvents>();

  constructor(
    private readonly open: () => Promise<Source>,
    private readonly options: UploadOptions,
    private readonly context: UploadContext,
  ) {
    this.media = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    // Later, so that the caller can add listeners first.
    this.going = Promise.resolve().then(async () => await this.go());
    const forget = onAbort(options.signal, () => void this.abort());
    this.on('state', () => void (this.hasEnded() && forget()));
  }

  get state(): UploadState {
    return this.currentState;
  }

  /** Undefined until the file has been opened and the offset is known. */
  get progress(): Progress | undefined {
    return this.currentProgress;
  }

  /** The id of the upload on the server; undefined until it has one. */
  get uploadId(): string | undefined {
    return this.transfer?.uploadId;
  }

  on<Name extends keyof UploadEvents>(name: Name, listener: (event: UploadEvents[Name]) => void): this {
    this.events.on(name, listener);
    return this;
  }

  off<Name extends keyof UploadEvents>(name: Name, listener: (event: UploadEvents[Name]) => void): this {
    this.events.off(name, listener);
    return this;
  }

  /** Stops at once, even in the middle of a chunk. The server keeps what it has acknowledged. */
  pause(): void {
    if (this.currentState !== 'queued' && this.currentState !== 'running') return;
    this.become('paused');
    this.stop.abort(PAUSED);
  }

  resume(): void {
    if (this.currentState !== 'paused') return;
    this.stop = new AbortController();
    this.become('queued');
    this.going = this.going.then(async () => await this.go());
  }

  /**
   * Ends the upload. Without `cancel` it stays on the server until it expires, and another upload of the same file can
   * resume it. With `cancel` it is removed from the server, now or as soon as that can be reached. Complete uploads
   * stay.
   */
  async abort({ cancel = false }: { readonly cancel?: boolean } = {}): Promise<void> {
    if (this.hasEnded()) return;
    this.become('aborted');
    // An upload that is just being opened can be cancelled only once its id is known.
    if (cancel) await this.transfer?.opening?.catch(() => undefined);
    else this.release();
    this.stop.abort();
    // The caller who aborts does not need an unhandled rejection.
    this.media.catch(() => undefined);
    this.reject(new LocalError('aborted', 'The upload was aborted'));
    await this.going;
    if (cancel) await this.transfer?.cancel();
    await this.end();
  }

  private async go(): Promise<void> {
    const { signal } = this.stop;
    // Rejects only if it is stopped while it waits in the queue.
    await this.context.slots.run(async () => await this.work(signal), signal).catch(() => undefined);
  }

  private async work(signal: AbortSignal): Promise<void> {
    // Paused just now, or done by an earlier run.
    if (signal.aborted || this.currentState !== 'queued') return;
    try {
      this.become('running');
      this.transfer ??= await this.prepare();
      const media = await this.transfer.run(signal);
      await this.end();
      this.become('done');
      this.resolve(media);
    } catch (error) {
      // Stopped by pause or abort, which have set the state already.
      if (signal.aborted) return;
      await this.end();
      this.become('failed');
      this.reject(toUploadError(error));
    }
  }

  private async prepare(): Promise<Transfer> {
    const { options, context } = this;
    const { url, store, api, cancellations } = context.server();
    const source = await this.open();
    const gist = gistOf(options.name ?? source.name);
    const checksum = new Checksum(source, context.hash);
    const bookmark = new Bookmark(store, url, options.fingerprint ?? source.fingerprint);
    const claim = new Claim(`${url}\n${gist}\n${source.size}`);
    const speed = new Speed(source.size);
    this.release = () => [bookmark, claim].forEach((one) => one.release());
    this.close = async () => {
      checksum.close();
      await source.close();
    };
    this.on('state', () => speed.reset());
    return new Transfer({
      ...{ source, checksum, options, api, cancellations, bookmark, gist, isAlone: claim.isFirst },
      moved: (offset) => {
        this.currentProgress = speed.measure(offset, performance.now());
        this.events.emit('progress', this.currentProgress);
      },
      retrying: (error, delayMs) => this.events.emit('retry', { error, delayMs }),
    });
  }

  private async end(): Promise<void> {
    this.release();
    await this.close().catch(() => undefined);
  }

  private become(state: UploadState): void {
    if (this.hasEnded()) return;
    this.currentState = state;
    this.events.emit('state', state);
  }

  private hasEnded(): boolean {
    return ['done', 'failed', 'aborted'].includes(this.currentState);
  }
}
