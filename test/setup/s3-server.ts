import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

interface StoredObject {
  readonly bytes: Buffer;
  readonly changedAt: Date;
}

/**
 * What goes wrong: `slow` answers late; `busy` answers 503 SlowDown; `cut` breaks the connection in the middle of the answer;
 * `lost` does as told, then breaks it without an answer; `garbled` changes a byte of the body on its way in; `denied` and
 * `full` answer 403; `refused` breaks the connection at once, `torn` in the middle of the body; `silent` never answers; `astray` is
 * the 404 of a proxy that has lost its way to the store; `vague` is `cut` without a length.
 */
export type Fault =
  | 'slow'
  | 'busy'
  | 'cut'
  | 'lost'
  | 'garbled'
  | 'denied'
  | 'full'
  | 'refused'
  | 'torn'
  | 'silent'
  | 'astray'
  | 'vague';

interface Planned {
  readonly fault: Fault;
  readonly method: string;
  readonly key: RegExp;
  times: number;
}

class S3Failure extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
  ) {
    super(code);
  }
}

/**
 * An S3 of our own, in memory, as strict as the strictest store: bodies need a length and an MD5, which is checked; no
 * conditional writes, no checksums, no ETag after a multipart upload, no large copies. Signatures are not checked.
 */
export class S3Server {
  static readonly MAX_COPY_BYTES = 64 * 1024 * 1024;

  readonly objects = new Map<string, StoredObject>();
  /** `METHOD key` of each request that has come. */
  readonly requests: string[] = [];
  /** What each PUT is told to be the version of its object. */
  version: string | undefined;
  private readonly uploads = new Map<string, Map<number, Buffer>>();
  private plan: Planned[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<S3Server> {
    const server = createServer();
    const store = new S3Server(server);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      store.serve(request, response).catch(() => response.destroy());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return store;
  }

  get settings(): Record<string, string> {
    const { port } = this.server.address() as AddressInfo;
    return {
      STORAGE: 's3',
      S3_BUCKET: 'media',
      S3_ENDPOINT: `http://127.0.0.1:${port}`,
      S3_FORCE_PATH_STYLE: 'true',
      S3_ACCESS_KEY_ID: 'key',
      S3_SECRET_ACCESS_KEY: 'secret',
    };
  }

  /** Lets the next requests of a method, for keys that match, go wrong. */
  fail(fault: Fault, method: string, key: RegExp, times = 1): void {
    this.plan.push({ fault, method, key, times });
  }

  heal(): void {
    this.plan = [];
  }

  keys(start = ''): string[] {
    return [...this.objects.keys()].filter((key) => key.startsWith(start));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await once(this.server.close(), 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://store');
    const [, bucket, ...rest] = decodeURIComponent(pathname).split('/');
    const key = rest.join('/');
    const method = request.method ?? '';
    this.requests.push(`${method} ${key}`);
    const fault = this.nextFault(method, key);
    if (isUnanswered(fault, request)) return;
    const body = await buffer(request);
    if (fault === 'garbled' && body[0] !== undefined) body[0] ^= 1;
    if (fault === 'slow') await sleep(300);
    const isHead = method === 'HEAD';
    try {
      const answer = this.refusal(fault, bucket, request) ?? this.answer(request, key, searchParams, body);
      if (fault === 'lost') return void request.socket.destroy();
      send(response, answer, isHead, fault);
    } catch (error) {
      const { status = 500, code = String(error) } = error as Partial<S3Failure>;
      send(response, failure(status, code), isHead);
    }
  }

  private refusal(
    fault: Fault | undefined,
    bucket = '',
    { headers, url }: IncomingMessage,
  ): Answer | undefined {
    if (fault === 'busy') return failure(503, 'SlowDown');
    if (fault === 'full') return failure(403, 'QuotaExceeded');
    if (fault === 'astray') return { status: 404, body: '<html><h1>Not Found</h1></html>' };
    if (fault === 'denied') return failure(403, 'AccessDenied');
    if (!headers.authorization?.includes('Credential=key/') && !url?.includes('Credential=key%2F'))
      return failure(403, 'InvalidAccessKeyId');
    return bucket === 'media' ? undefined : failure(404, 'NoSuchBucket');
  }

  private nextFault(method: string, key: string): Fault | undefined {
    const planned = this.plan.find((one) => one.times > 0 && one.method === method && one.key.test(key));
    if (planned) planned.times--;
    return planned?.fault;
  }

  private answer(request: IncomingMessage, key: string, query: URLSearchParams, body: Buffer): Answer {
    const upload = query.get('uploadId');
    switch (request.method) {
      case 'PUT':
        return upload === null
          ? this.put(request, key, body)
          : this.putPiece(request, upload, Number(query.get('partNumber')), body);
      case 'POST':
        return upload === null ? this.begin() : this.complete(key, upload, body);
      case 'DELETE':
        if (upload === null) this.objects.delete(key);
        else this.uploads.delete(upload);
        return { status: 204, body: '' };
      default:
        if (key !== '') return this.get(request, key, query);
        return query.has('uploads')
          ? { status: 200, body: '<ListMultipartUploadsResult/>' }
          : this.list(query);
    }
  }

  private put({ headers }: IncomingMessage, key: string, body: Buffer): Answer {
    const bytes = this.copied({ headers });
    if (bytes) {
      this.objects.set(key, { bytes, changedAt: new Date() });
      return { status: 200, body: '<CopyObjectResult/>' };
    }
    assertWhole(headers, body);
    this.objects.set(key, { bytes: body, changedAt: new Date() });
    const version = this.version !== undefined && { 'x-amz-version-id': this.version };
    return { status: 200, body: '', headers: { ETag: etag(body), ...version } };
  }

  /** The bytes of the object, or of the range of it, that is to be copied. */
  private copied({ headers }: Pick<IncomingMessage, 'headers'>): Buffer | undefined {
    const source = headers['x-amz-copy-source'];
    if (source === undefined) return undefined;
    const { bytes } = this.find(decodeURIComponent(String(source)).replace(/^\/?media\//, ''));
    const [, first = 0, last = bytes.length - 1] =
      /^bytes=(\d+)-(\d+)$/.exec(String(headers['x-amz-copy-source-range'])) ?? [];
    const range = bytes.subarray(Number(first), Number(last) + 1);
    if (range.length > S3Server.MAX_COPY_BYTES) throw new S3Failure(400, 'InvalidRequest');
    return range;
  }

  private putPiece({ headers }: IncomingMessage, id: string, number: number, body: Buffer): Answer {
    const pieces = this.uploads.get(id);
    if (!pieces) throw new S3Failure(404, 'NoSuchUpload');
    const copied = this.copied({ headers });
    if (copied) {
      pieces.set(number, copied);
      return { status: 200, body: `<CopyPartResult><ETag>${etag(copied)}</ETag></CopyPartResult>` };
    }
    assertWhole(headers, body);
    pieces.set(number, body);
    return { status: 200, body: '', headers: { ETag: etag(body) } };
  }

  private begin(): Answer {
    const id = randomBytes(8).toString('hex');
    this.uploads.set(id, new Map());
    const body = `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`;
    return { status: 200, body };
  }

  private complete(key: string, id: string, body: Buffer): Answer {
    const pieces = this.uploads.get(id);
    if (!pieces) throw new S3Failure(404, 'NoSuchUpload');
    const numbers = [...body.toString().matchAll(/<PartNumber>(\d+)</g)].map(([, number]) => Number(number));
    const bytes = numbers.map((number) => pieces.get(number) ?? Buffer.alloc(0));
    this.objects.set(key, { bytes: Buffer.concat(bytes), changedAt: new Date() });
    this.uploads.delete(id);
    return { status: 200, body: '<CompleteMultipartUploadResult><ETag/></CompleteMultipartUploadResult>' };
  }

  private get({ headers }: IncomingMessage, key: string, query: URLSearchParams): Answer {
    const { bytes } = this.find(key);
    const asked = { headers: askedHeaders(query) };
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    if (first === undefined) return { status: 200, body: bytes, ...asked };
    if (Number(first) >= bytes.length) throw new S3Failure(416, 'InvalidRange');
    const body = bytes.subarray(Number(first), Number(last) + 1);
    const extent = `bytes ${first}-${Number(first) + body.length - 1}/${bytes.length}`;
    return { status: 206, body, headers: { ...asked.headers, 'Content-Range': extent } };
  }

  /** Pages of three keys, in the order of their names. */
  private list(query: URLSearchParams): Answer {
    const after = query.get('continuation-token') ?? '';
    const all = this.keys(query.get('prefix') ?? '').sort();
    const left = all.filter((key) => key > after);
    const page = left.slice(0, 3);
    const contents = page.map((key) => {
      const { changedAt, bytes } = this.find(key);
      return `<Contents><Key>${key}</Key><LastModified>${changedAt.toISOString()}</LastModified><Size>${bytes.length}</Size></Contents>`;
    });
    const more =
      left.length > page.length
        ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${page.at(-1)}</NextContinuationToken>`
        : '<IsTruncated>false</IsTruncated>';
    return { status: 200, body: `<ListBucketResult>${more}${contents.join('')}</ListBucketResult>` };
  }

  private find(key: string): StoredObject {
    const object = this.objects.get(key);
    if (!object) throw new S3Failure(404, 'NoSuchKey');
    return object;
  }
}

/** Breaks the connection at once, or once some of the body has come. */
function isUnanswered(fault: Fault | undefined, request: IncomingMessage): boolean {
  const end = () => void request.socket.destroy();
  if (fault === 'refused') end();
  if (fault === 'torn') request.once('data', end).once('end', end);
  return fault === 'silent' || fault === 'refused' || fault === 'torn';
}

interface Answer {
  readonly status: number;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Those that a signed URL names. */
function askedHeaders(query: URLSearchParams): Record<string, string> {
  const named = [...query].filter(([name]) => name.startsWith('response-'));
  return Object.fromEntries(named.map(([name, value]) => [name.slice('response-'.length), value]));
}

function failure(status: number, code: string): Answer {
  return { status, body: `<Error><Code>${code}</Code></Error>` };
}

function send(response: ServerResponse, answer: Answer, isHead: boolean, fault?: Fault): void {
  const bytes = Buffer.from(answer.body);
  const length = fault !== 'vague' && { 'Content-Length': bytes.length };
  response.writeHead(answer.status, { ...length, ...answer.headers });
  if (isHead) response.end();
  else if (fault === 'cut' || fault === 'vague')
    response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
  else response.end(bytes);
}

function assertWhole(headers: IncomingMessage['headers'], body: Buffer): void {
  if (headers['content-length'] === undefined) throw new S3Failure(411, 'MissingContentLength');
  const md5 = createHash('md5').update(body).digest('base64');
  if (headers['content-md5'] === undefined) throw new S3Failure(400, 'MissingContentMD5');
  if (headers['content-md5'] !== md5) throw new S3Failure(400, 'BadDigest');
}

function etag(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}
