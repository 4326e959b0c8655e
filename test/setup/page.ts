import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

export interface PageUpload {
  /** Origin of the server, or of a proxy before it. */
  readonly url: string;
  readonly token: string;
  readonly file: {
    readonly name: string;
    readonly type: string;
    readonly bytes: Uint8Array;
    readonly md5: string;
  };
  /** Chunks as bare bodies instead of forms: `sendWithFormData: false`. */
  readonly raw?: boolean;
  /** How often the library sends a chunk before it gives up. It never repeats one by default. */
  readonly attempts?: number;
}

/** An answer as the scripts of the page see it, with the headers that CORS shows them. */
export interface PageAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

export interface PageAnswers {
  /** To the chunks that the server took. */
  readonly chunks: readonly PageAnswer[];
  /** To the chunk that ended the upload. */
  readonly failure?: PageAnswer;
  readonly completion?: PageAnswer;
}

/**
 * A web page with the React upload component in it. It lives in a thread: its `window`, `FormData` and `Blob` are not
 * those of the server that runs in this one.
 */
export class Page {
  private constructor(private readonly worker: Worker) {}

  static async open(): Promise<Page> {
    const worker = new Worker(new URL('./page.worker.js', import.meta.url));
    // Its first message says that the libraries are loaded.
    await once(worker, 'message');
    return new Page(worker);
  }

  /** One at a time. */
  async upload(upload: PageUpload): Promise<PageAnswers> {
    const answered = once(this.worker, 'message');
    this.worker.postMessage(upload);
    return ((await answered) as [PageAnswers])[0];
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }
}
