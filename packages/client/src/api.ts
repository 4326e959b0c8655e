import type { ChunkMediaDto, MediaDto, UploadDto, UploadPageDto } from './api-types.js';
import { exchange, type ExchangeOptions } from './exchange.js';
import { parse, toError, type Answer } from './problem.js';
import type { Tokens } from './tokens.js';
import { badAnswer } from './upload-error.js';
import type { ConnectionOptions } from './upload-options.js';

interface OutgoingChunk {
  /** Undefined opens an upload. */
  readonly uploadId: string | undefined;
  readonly idempotencyKey: string;
  readonly start: number;
  readonly total: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly name: string | undefined;
  readonly expires: Date | undefined;
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: NonNullable<RequestInit['body']>;
}

/** The requests of an upload. Each is sent once, or again with a new token if the first was refused. */
export class Api {
  constructor(
    private readonly url: string,
    private readonly options: ConnectionOptions & ExchangeOptions,
    private readonly tokens: Tokens,
  ) {}

  async chunk(chunk: OutgoingChunk, signal: AbortSignal): Promise<ChunkMediaDto> {
    const { start, bytes, total, uploadId, idempotencyKey } = chunk;
    const headers = {
      'Content-Range': `bytes ${start}-${start + bytes.length - 1}/${total}`,
      ...(uploadId === undefined && { 'Idempotency-Key': idempotencyKey }),
    };
    return await this.json(
      'offset',
      { method: 'POST', path: 'upload/chunk/', headers, body: formOf(chunk) },
      signal,
    );
  }

  async complete(
    completion: { readonly upload_id: string; readonly md5: string; readonly type?: MediaDto['type'] },
    signal: AbortSignal,
  ): Promise<MediaDto> {
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify(completion);
    return await this.json('id', { method: 'POST', path: 'upload/complete/', headers, body }, signal);
  }

  async session(uploadId: string, signal: AbortSignal): Promise<UploadDto> {
    return await this.json('state', { method: 'GET', path: `upload/${uploadId}/` }, signal);
  }

  /** The user's open uploads, newest first. */
  async sessions(offset: number, signal: AbortSignal): Promise<UploadPageDto> {
    return await this.json('results', { method: 'GET', path: `upload/?limit=100&offset=${offset}` }, signal);
  }

  async cancel(uploadId: string, signal: AbortSignal): Promise<void> {
    const { status } = await this.send({ method: 'DELETE', path: `upload/${uploadId}/` }, signal);
    if (status !== 204) throw badAnswer();
  }

  /** @param member a member that the server's response has, unlike those of anything in front of it */
  private async json<T>(member: keyof T & string, request: Request, signal: AbortSignal): Promise<T> {
    const value = parse((await this.send(request, signal)).text);
    if (!value || !(member in value)) throw badAnswer();
    return value as T;
  }

  private async send(request: Request, signal: AbortSignal): Promise<Answer> {
    const token = await this.tokens.current();
    let answer = await this.exchange(request, token, signal);
    if (answer.status === 401) {
      const fresh = await this.tokens.refresh(token);
      if (fresh !== undefined) answer = await this.exchange(request, fresh, signal);
    }
    if (answer.status < 200 || answer.status > 299) throw toError(answer);
    return answer;
  }

  private async exchange(request: Request, token: string | undefined, signal: AbortSignal): Promise<Answer> {
    const { method, path, body, headers } = request;
    const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const all = { ...this.options.headers, ...headers, ...authorization };
    return await exchange(
      { method, url: `${this.url}/api/v2/media/${path}`, headers: all, body },
      this.options,
      signal,
    );
  }
}

/** The part is called `image`, as in other clients of this API, whatever the file is. */
function formOf({ uploadId, bytes, name, expires }: OutgoingChunk): FormData {
  const form = new FormData();
  if (uploadId !== undefined) form.append('upload_id', uploadId);
  else if (expires) form.append('expires', expires.toISOString());
  form.append('image', new Blob([bytes]), name ?? 'blob');
  return form;
}
