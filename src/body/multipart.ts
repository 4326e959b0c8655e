import { MultipartError } from './body.errors.js';
import { headerText } from './header-text.js';

/** One part of a `multipart/form-data` body (RFC 7578). `data` is a view into the body, not a copy. */
export interface Part {
  readonly name: string;
  readonly filename: string | undefined;
  readonly contentType: string | undefined;
  readonly data: Buffer;
}

const MAX_PARTS = 32;
const MAX_HEADER_BYTES = 4096;
const MAX_NAME_CHARS = 100;
/** Line ends before the first and after the last boundary, which some clients send. */
const MAX_BLANK_BYTES = 8;
const CRLF = '\r\n';

/** The boundary of a `multipart/form-data` media type; undefined for any other media type. @throws MultipartError */
export function boundaryOf(mediaType: string | undefined): string | undefined {
  if (mediaType === undefined || !/^multipart\//i.test(mediaType)) return undefined;
  if (!/^multipart\/form-data\s*(;|$)/i.test(mediaType)) {
    throw new MultipartError(
      'unsupported-multipart',
      'The only supported multipart type is multipart/form-data',
    );
  }
  const boundaries = [...mediaType.matchAll(/;\s*boundary=(?:"([^"]*)"|([^\s;"]*))/gi)];
  const boundary = boundaries[0]?.[1] ?? boundaries[0]?.[2] ?? '';
  // RFC 2046, 5.1.1: 1 to 70 characters of a small alphabet.
  if (boundaries.length === 1 && /^[\w'()+,./:=? -]{1,70}$/.test(boundary) && !boundary.endsWith(' '))
    return boundary;
  throw new MultipartError('bad-boundary', 'The multipart boundary is missing or malformed');
}

/**
 * Splits a complete body into its parts. Stricter than the RFC on purpose: no preamble or epilogue but blank lines,
 * no nested or transfer-encoded parts, each name once, so that two readers cannot see different files in the same bytes.
 * @throws MultipartError
 */
export function parseMultipart(body: Buffer, boundary: string): Part[] {
  const opening = Buffer.from(`--${boundary}`);
  const delimiter = Buffer.from(`${CRLF}--${boundary}`);
  let at = firstLine(body) + opening.length;
  if (!body.subarray(at - opening.length, at).equals(opening)) {
    throw new MultipartError('bad-boundary', 'The body does not start with its boundary');
  }
  const parts = new Map<string, Part>();
  while (!isClosed(body, at)) {
    const { part, end } = readPart(body, at + CRLF.length, delimiter);
    if (parts.has(part.name))
      throw new MultipartError('duplicate-part', `The part ${part.name} is sent twice`);
    if (parts.size >= MAX_PARTS) throw new MultipartError('too-many-parts', `More than ${MAX_PARTS} parts`);
    parts.set(part.name, part);
    at = end + delimiter.length;
  }
  return [...parts.values()];
}

/** The end of blank lines. A bare LF does not count, because other parsers see no boundary after it. */
function firstLine(body: Buffer): number {
  let at = 0;
  while (at < MAX_BLANK_BYTES && body[at] === 0x0d && body[at + 1] === 0x0a) at += CRLF.length;
  return at;
}

/** What follows a boundary: a line end before another part, or `--` at the end of the body. */
function isClosed(body: Buffer, at: number): boolean {
  const rest = body.toString('latin1', at, at + 2);
  if (rest === CRLF) return false;
  if (rest !== '--')
    throw new MultipartError(
      'bad-boundary',
      'A multipart boundary is truncated or followed by other characters',
    );
  const trailing = body.toString('latin1', at + 2, at + 2 + MAX_BLANK_BYTES + 1);
  if (trailing.length > MAX_BLANK_BYTES || !/^[\r\n]*$/.test(trailing))
    throw new MultipartError('trailing-bytes', 'There are bytes after the last boundary');
  return true;
}

function readPart(body: Buffer, start: number, delimiter: Buffer): { part: Part; end: number } {
  const headEnd = body.indexOf(CRLF + CRLF, start, 'latin1');
  if (headEnd < 0)
    throw new MultipartError('truncated-multipart', 'The body ends inside the headers of a part');
  if (headEnd - start > MAX_HEADER_BYTES) {
    throw new MultipartError(
      'part-header-too-large',
      `The headers of a part have more than ${MAX_HEADER_BYTES} bytes`,
    );
  }
  const dataStart = headEnd + 2 * CRLF.length;
  // An empty part: the line end of its head is also the line end of the boundary.
  const end = body.indexOf(delimiter, dataStart - CRLF.length);
  if (end < 0) throw new MultipartError('truncated-multipart', 'The body ends without its last boundary');
  const head = readHead(headerText(body.subarray(start, headEnd)));
  return { part: { ...head, data: body.subarray(dataStart, Math.max(dataStart, end)) }, end };
}

function readHead(text: string): Omit<Part, 'data'> {
  const headers = new Map<string, string>();
  for (const line of text.split(CRLF)) {
    const [, name, value] = /^([\w-]{1,64}):([^\r\n\0]*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined || headers.has(name.toLowerCase())) {
      throw new MultipartError('bad-part-header', 'A part has a malformed or repeated header');
    }
    headers.set(name.toLowerCase(), value.trim());
  }
  const encoding = headers.get('content-transfer-encoding') ?? 'binary';
  if (!/^(7bit|8bit|binary)$/i.test(encoding)) {
    throw new MultipartError(
      'encoded-part',
      'Content-Transfer-Encoding is not supported: send the bytes as they are',
    );
  }
  return { ...readDisposition(headers.get('content-disposition')), contentType: headers.get('content-type') };
}

function readDisposition(value = ''): { name: string; filename: string | undefined } {
  if (!/^form-data(?=;|$)/i.test(value)) return badDisposition();
  const parameters = readParameters(value.slice('form-data'.length));
  const name = parameters.get('name');
  if (!name || name.length > MAX_NAME_CHARS) return badDisposition();
  return { name, filename: extended(parameters.get('filename*')) ?? parameters.get('filename') };
}

/** `; name="…"; filename="…"` as browsers write it: raw UTF-8, `"` as `%22` (WHATWG) or `\"` (RFC 2616). */
function readParameters(text: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (let rest = text; rest !== '';) {
    const match = /^;[ \t]*([\w-]{1,64}\*?)=(?:"((?:[^"\\]|\\[^])*)"|([^\s;"]+))[ \t]*/.exec(rest);
    const name = match?.[1]?.toLowerCase();
    if (!match || name === undefined || parameters.has(name)) return badDisposition();
    parameters.set(name, (match[2] ?? match[3] ?? '').replaceAll('\\"', '"'));
    rest = rest.slice(match[0].length);
  }
  return parameters;
}

/** RFC 8187 `UTF-8''…`. RFC 7578, 4.2 forbids it here, but some HTTP libraries send it for names that are not ASCII. */
function extended(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const encoded = /^utf-8'[\w-]{0,35}'(.*)$/i.exec(value)?.[1];
  try {
    if (encoded !== undefined) return decodeURIComponent(encoded);
  } catch {
    // Invalid percent-encoding is treated like any other malformed value.
  }
  return badDisposition();
}

function badDisposition(): never {
  throw new MultipartError('bad-part-header', 'A part needs one well-formed Content-Disposition with a name');
}
