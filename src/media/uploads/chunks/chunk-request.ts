import type { IncomingMessage } from 'node:http';
import { isISO8601 } from 'class-validator';
import contentDisposition from 'content-disposition';
import type { BufferPool } from '../../../body/buffer-pool.js';
import { headerText } from '../../../body/header-text.js';
import { boundaryOf, parseMultipart, type Part } from '../../../body/multipart.js';
import { readBody } from '../../../body/read-body.js';
import { InvalidRequest } from '../../../errors/app-error.js';
import { cleanFileName } from '../../content/file-name.js';
import { parseContentRange, type ByteRange, type OffsetQuery } from './content-range.js';
import {
  ambiguousChunk,
  chunkLengthMismatch,
  chunkTooLarge,
  emptyFile,
  missingChunk,
  missingContentRange,
  mislabelledForm,
  unsupportedChunkBody,
} from '../upload.errors.js';

/** A chunk request, parsed and checked for all that can be known without the session. */
export interface Chunk {
  /** Undefined opens a session. */
  readonly uploadId: string | undefined;
  readonly range: ByteRange;
  /** Exactly `end - start + 1` bytes. */
  readonly bytes: Buffer;
  /** What the client calls the file, cleaned; null when it says nothing of use. */
  readonly fileName: string | null;
  /** The media type that the client gives the file or, failing that, its name. */
  readonly declared: string | null;
  readonly expires: Date | undefined;
  /** What the client says of the whole file, in lower case. */
  readonly md5: string | undefined;
  /** The same for every attempt to open the same upload. */
  readonly idempotencyKey: string | undefined;
}

/** What one request may carry. */
export interface RequestLimits {
  /** Of a file part. */
  readonly chunkMaxBytes: number;
  /** With all that is around it. */
  readonly requestMaxBytes: number;
  /** What to do with more. */
  readonly advice: string;
}

/** `bytes ∗/total` for an open upload: where does it stand? */
export interface ChunkQuery extends OffsetQuery {
  readonly uploadId: string;
}

/** Where an upload stands after a chunk. */
export interface Receipt {
  readonly id: string;
  readonly offset: number;
  readonly expiresAt: Date;
  /** `replayed`: all bytes had been stored before. `queried`: the request brought no chunk, only the question. */
  readonly outcome: 'appended' | 'replayed' | 'queried';
}

const FILE_PARTS = new Set(['image', 'document', 'file']);

/**
 * Reads one chunk request whole: head first, so that what the head forbids is refused before the body.
 * @param buffers where the bytes of a chunk belong and have to be given back to
 */
export async function readChunk(
  request: IncomingMessage,
  query: Query,
  limits: RequestLimits,
  buffers: BufferPool,
): Promise<Chunk | ChunkQuery> {
  const range = rangeOf(request.headers['content-range']);
  if (range && 'end' in range) limit(range.end - range.start + 1, limits);
  const body = await readBody(request, limits.requestMaxBytes, buffers, limits.advice);
  let chunk: Chunk | ChunkQuery | undefined;
  try {
    const isFirst = !range || ('start' in range && range.start === 0);
    const form = readForm(body, request.headers['content-type'], query, isFirst);
    chunk = toChunk(request, form, range, limits);
    return chunk;
  } finally {
    if (!chunk || !('bytes' in chunk)) buffers.giveBack(body);
  }
}

function toChunk(
  request: IncomingMessage,
  form: Form,
  range: ByteRange | OffsetQuery | undefined,
  limits: RequestLimits,
): Chunk | ChunkQuery {
  const uploadId = form.field('upload_id');
  const expires = expiresOf(form.field('expires'));
  if (range && !('end' in range)) return toQuery(range, uploadId, form);
  if (!range && uploadId) throw missingContentRange();
  const bytes = chunkOf(form, range, limits);
  const idempotencyKey = idempotencyKeyOf(request);
  const actual = range ?? { start: 0, end: bytes.length - 1, total: bytes.length };
  if ((form.field('offset') ?? String(actual.start)) !== String(actual.start))
    throw new InvalidRequest('offset', 'offset must be the start of the Content-Range');
  const fileName = fileNameOf(form, request);
  const declared = mediaTypeOf(form.file?.contentType) ?? fileName;
  const md5 = form.field('md5')?.toLowerCase();
  return { uploadId, range: actual, bytes, fileName, declared, expires, md5, idempotencyKey };
}

export type Query = Readonly<Record<string, unknown>>;

interface Form {
  /** The value of a small part or, where the body is the chunk itself, of the query; undefined when empty. */
  field(name: string): string | undefined;
  readonly file: Omit<Part, 'name'> | undefined;
}

/** Node joins a repeated Content-Range with a comma, which the parser refuses. */
function rangeOf(value: string | undefined): ByteRange | OffsetQuery | undefined {
  return value === undefined ? undefined : parseContentRange(value);
}

function readForm(body: Buffer, mediaType: string | undefined, query: Query, isFirst: boolean): Form {
  const boundary = boundaryOf(mediaType);
  const parts = boundary === undefined ? [] : parseMultipart(body, boundary);
  const file = boundary === undefined ? rawChunk(body, mediaType, isFirst) : filePart(parts);
  const field = (name: string) =>
    parts
      .find((part) => part.name === name && part !== file && part.filename === undefined)
      ?.data.toString() ?? queried(query, name);
  return { field: (name) => field(name) || undefined, file };
}

/** Types of which no file is ever accepted. A JSON body sent by mistake would be stored as a text file and answered 201. */
const NEVER_ACCEPTED =
  /^(?:(?:audio|video|font|model|message)\/|(?:application|text)\/(?:x-)?(?:json|ndjson|xml|html|javascript|ecmascript|graphql|cbor|msgpack)$|[^+]*\+(?:json|xml)$)/i;

/** How a form begins. Sent under another type, as if it were the file, it would be published with its boundaries. */
const FORM =
  /^(?:\r\n){0,4}--[^\r\n]{1,70}\r\n(?:content-[a-z-]+:[^\r\n]*\r\n){0,3}content-disposition: *form-data/i;

function rawChunk(body: Buffer, contentType: string | undefined, isFirst: boolean): Form['file'] {
  if (body.length === 0) return undefined;
  const mediaType = contentType?.split(';')[0]?.trim() ?? '';
  if (NEVER_ACCEPTED.test(mediaType)) throw unsupportedChunkBody(mediaType.slice(0, 100));
  if (isFirst && FORM.test(body.toString('latin1', 0, 1000))) throw mislabelledForm();
  return { data: body, filename: undefined, contentType };
}

/** The part called `image`, `document` or `file`; if several are, the one that is a file and not a field. */
function filePart(parts: readonly Part[]): Part | undefined {
  const named = parts.filter(({ name }) => FILE_PARTS.has(name));
  const files = named.filter(({ filename }) => filename !== undefined);
  const [file, another] = files.length > 0 ? files : named;
  if (another) throw ambiguousChunk();
  return file;
}

function chunkOf({ file }: Form, range: ByteRange | undefined, limits: RequestLimits): Buffer {
  if (!file) throw missingChunk();
  if (file.data.length === 0 && !range) throw emptyFile();
  limit(file.data.length, limits);
  const announced = range ? range.end - range.start + 1 : file.data.length;
  if (announced !== file.data.length) throw chunkLengthMismatch(announced, file.data.length);
  return file.data;
}

function limit(bytes: number, { chunkMaxBytes, advice }: RequestLimits): void {
  if (bytes > chunkMaxBytes) throw chunkTooLarge(chunkMaxBytes, advice);
}

function toQuery({ total }: OffsetQuery, uploadId: string | undefined, { file }: Form): ChunkQuery {
  if (!uploadId) throw new InvalidRequest('upload_id', 'An upload_id is required to ask for an offset');
  if (file)
    throw new InvalidRequest('Content-Range', '"bytes */total" asks for the offset: send no file part');
  return { uploadId, total };
}

/** @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ */
function idempotencyKeyOf({ headers }: IncomingMessage): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  // Two of them come as one, with a comma and a space.
  if (typeof key === 'string' && /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw new InvalidRequest('Idempotency-Key', 'Send one key of 1 to 255 visible ASCII characters');
}

/** ISO 8601 date and time with a zone (RFC 3339), in the future by this machine's clock. */
function expiresOf(value: string | undefined): Date | undefined {
  if (value === undefined) return undefined;
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/.test(value);
  const date = new Date(value);
  // Strict: Date rolls 30 February over to March.
  if (!isTime || !isISO8601(value, { strict: true }) || Number.isNaN(date.getTime()))
    throw new InvalidRequest('expires', 'expires must be a date-time with a zone: 2030-01-31T12:00:00Z');
  if (date.getTime() <= Date.now()) throw new InvalidRequest('expires', 'expires must be in the future');
  return date;
}

/** The name in the part, or, where a library calls every part `blob`, the one in the request's own Content-Disposition. */
function fileNameOf({ file }: Form, { headers }: IncomingMessage): string | null {
  return cleanFileName(file?.filename) ?? cleanFileName(headerFileName(headers['content-disposition']));
}

/** Those that say nothing: what browsers give a blob without a type, and curl any body. */
const NO_TYPES = ['application/octet-stream', 'application/x-www-form-urlencoded'];

function mediaTypeOf(value: string | undefined): string | null {
  const type = /^[a-z]{1,20}\/[\w.+-]{1,100}(?=\s*(;|$))/i.exec(value ?? '')?.[0].toLowerCase() ?? null;
  return type === null || NO_TYPES.includes(type) ? null : type;
}

function headerFileName(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  try {
    const { filename } = contentDisposition.parse(value).parameters;
    return filename && decodeName(filename);
  } catch {
    return undefined;
  }
}

function decodeName(name: string): string {
  // Node reads headers as Latin-1.
  const text = /[^\0-\xff]/.test(name) ? name : headerText(Buffer.from(name, 'latin1'));
  try {
    // blueimp-file-upload writes encodeURI(name) between plain quotes.
    return decodeURI(text);
  } catch {
    return text;
  }
}

function queried(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new InvalidRequest(name, `${name} may be given once`);
}
