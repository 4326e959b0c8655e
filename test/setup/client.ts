import { createHash } from 'node:crypto';
import type { TestApp } from './test-app.js';

export const CHUNK_BYTES = 204_800;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Tests look at answers as any client would: untyped JSON.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

export interface ChunkOptions {
  readonly uploadId?: string;
  /** `start-end/total`, or null for no Content-Range at all. */
  readonly range: string | null;
  readonly part?: string;
  readonly fileName?: string;
  readonly fields?: Record<string, string>;
  readonly headers?: Record<string, string>;
}

/** Speaks to a server as a user does: real HTTP, FormData as browsers encode it. */
export class Client {
  constructor(
    readonly url: string,
    readonly token: string,
  ) {}

  static async of(app: Pick<TestApp, 'url' | 'token'>, userId?: string): Promise<Client> {
    return new Client(app.url, await app.token(userId));
  }

  async send(
    method: string,
    path: string,
    init: { headers?: Record<string, string>; body?: BodyInit; signal?: AbortSignal } = {},
  ): Promise<Answer> {
    const headers = { authorization: `Bearer ${this.token}`, ...init.headers };
    // The server may lie below a path.
    const address = path.startsWith('/') ? `${this.url}${path}` : path;
    const response = await fetch(address, { method, ...init, headers, redirect: 'manual' });
    const text = await response.text();
    const json = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: json && text ? JSON.parse(text) : text,
    };
  }

  async chunk(bytes: Buffer, options: ChunkOptions): Promise<Answer> {
    const form = new FormData();
    const fields = { ...(options.uploadId && { upload_id: options.uploadId }), ...options.fields };
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append(options.part ?? 'image', new Blob([new Uint8Array(bytes)]), options.fileName ?? 'blob');
    const range = options.range === null ? {} : { 'content-range': `bytes ${options.range}` };
    const headers: Record<string, string> = { ...range, ...options.headers };
    return await this.send('POST', '/api/v2/media/upload/chunk/', { body: form, headers });
  }

  /** The chunk `[start, end)` of a file. */
  async slice(
    file: Buffer,
    start: number,
    end: number,
    uploadId?: string,
    more: Partial<ChunkOptions> = {},
  ): Promise<Answer> {
    const range = `${start}-${end - 1}/${file.length}`;
    return await this.chunk(file.subarray(start, end), { range, ...(uploadId && { uploadId }), ...more });
  }

  /** All chunks of a file from `start` on; the id of its session. */
  async upload(file: Buffer, options: { chunkBytes?: number; fileName?: string } = {}): Promise<string> {
    const { chunkBytes = CHUNK_BYTES, ...rest } = options;
    let id: string | undefined;
    for (let start = 0; start < file.length; start += chunkBytes) {
      const answer = await this.slice(file, start, Math.min(start + chunkBytes, file.length), id, rest);
      if (answer.status !== 201) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
      id = answer.body.upload_id as string;
    }
    return id ?? '';
  }

  async complete(uploadId: string, md5: string, more: Record<string, unknown> = {}): Promise<Answer> {
    return await this.send('POST', '/api/v2/media/upload/complete/', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ upload_id: uploadId, md5, ...more }),
    });
  }

  async status(uploadId: string): Promise<Answer> {
    return await this.send('GET', `/api/v2/media/upload/${uploadId}/`);
  }
}

export function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}
