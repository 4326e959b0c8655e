import type { ChunkMediaDto, MediaDto, UploadDto, UploadPageDto } from './api-types.js';
import { parse, toError, type Answer } from './problem.js';
import type { Tokens } from './tokens.js';
import { AnswerLost, badAnswer, LocalError } from './upload-error.js';
import type { ConnectionOptions } from './upload-options.js';

const DEFAULT_TIMEOUT_SECONDS = 60;

export interface OutgoingChunk {
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
  readonly body?: BodyInit;
}

/** The requests of an upload, each sent once; again only when a fresh token is all that it lacked. */
export class Api {
  constructor(
    private readonly options: ConnectionOptions,
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

  /** @param member by which an answer of the server is told from one of something in front of it */
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

  private async exchange(
    { method, path, headers, body }: Request,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { url = '', fetch = globalThis.fetch, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = this.options;
    const limit = new TimeLimit(timeoutSeconds, signal);
    try {
      const response = await fetch(`${url.replace(/\/+$/, '')}/api/v2/media/${path}`, {
        method,
        headers: { ...this.options.headers, ...headers, ...(token && { Authorization: `Bearer ${token}` }) },
        ...(body !== undefined && { body }),
        signal: limit.signal,
        cache: 'no-store',
      });
      return { status: response.status, headers: response.headers, text: await response.text() };
    } catch (error) {
      if (signal.aborted) throw new LocalError('aborted', 'The upload was stopped', error);
      if (limit.signal.aborted)
        throw new AnswerLost('timeout', `No answer within ${timeoutSeconds} s`, error);
      throw new AnswerLost('network', 'The server cannot be reached', error);
    } finally {
      limit.clear();
    }
  }
}

/** The part is called what all clients of this API call it, whatever the file is. */
function formOf({ uploadId, bytes, name, expires }: OutgoingChunk): FormData {
  const form = new FormData();
  if (uploadId !== undefined) form.append('upload_id', uploadId);
  else if (expires) form.append('expires', expires.toISOString());
  form.append('image', new Blob([bytes]), name ?? 'blob');
  return form;
}

/** A signal of its own for one request: `AbortSignal.any` is missing in browsers of two years ago. */
class TimeLimit {
  private readonly controller = new AbortController();
  private readonly timer: ReturnType<typeof setTimeout>;
  private readonly stop = () => this.controller.abort();

  constructor(
    seconds: number,
    private readonly outer: AbortSignal,
  ) {
    this.timer = setTimeout(this.stop, seconds * 1000);
    if (outer.aborted) this.stop();
    outer.addEventListener('abort', this.stop);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  clear(): void {
    clearTimeout(this.timer);
    this.outer.removeEventListener('abort', this.stop);
  }
}
