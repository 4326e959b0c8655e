import { isUtf8 } from 'node:buffer';
import { extname } from 'node:path';
import { fileTypeFromBuffer } from 'file-type';
import { MEDIA_TYPES } from '../../config/media-types.js';
import { OLD_OFFICE, isCompoundFile } from './compound-file.js';
import { accepted, refused, type Accepted, type Refused, type Undecided } from './verdict.js';
import { sniffPackage } from './office-package.js';
import { isZip } from './zip-head.js';

export type Sniffed = Accepted | Refused | Undecided;

/** Until so many bytes are there, more of them may tell more. */
export const DECISIVE_BYTES = 4100;

/** The longest signature of a binary format that is taken. */
const SIGNATURE_BYTES = 12;

/** Beyond these, a head tells nothing new; the whole file has its turn at completion. */
const HEAD_BYTES = 256 * 1024;

/**
 * What a file is, told from its first bytes; names and media types that a client claims are not believed. The formats
 * that are taken are told here, by signatures at fixed places. `file-type` only gives names to what is refused: it parses
 * dozens of formats, so it sees no more than a few kilobytes.
 * @param head the first bytes of the file
 * @param whole whether `head` is the whole file, so that waiting for more would not help
 * @param fileName tells CSV from plain text and the old Office formats apart, nothing else
 */
export async function sniff(head: Buffer, whole: boolean, fileName: string | null): Promise<Sniffed> {
  if (head.length > HEAD_BYTES) return await sniff(head.subarray(0, HEAD_BYTES), false, fileName);
  const extension = extname(fileName ?? '').toLowerCase();
  if (startsWith(head, '%PDF-')) return accepted('application/pdf');
  return isText(head, whole)
    ? await sniffText(head, whole, extension)
    : await sniffBinary(head, whole, extension);
}

async function sniffText(head: Buffer, whole: boolean, extension: string): Promise<Sniffed> {
  const markup = markupOf(head);
  if (markup !== undefined) return refused(markup);
  if (!whole && head.length < DECISIVE_BYTES) return { verdict: 'undecided', among: MEDIA_TYPES };
  const textual = await named(head);
  if (textual !== null && TEXTUAL.has(textual)) return refused(textual);
  return accepted(extension === '.csv' ? 'text/csv' : 'text/plain');
}

async function sniffBinary(head: Buffer, whole: boolean, extension: string): Promise<Sniffed> {
  if (isZip(head)) return sniffPackage(head);
  if (isCompoundFile(head)) return accepted(OLD_OFFICE[extension] ?? 'application/msword');
  const image = imageOf(head);
  if (image !== undefined) return accepted(image);
  if (!whole && head.length < SIGNATURE_BYTES) return { verdict: 'undecided', among: MEDIA_TYPES };
  return refused(markupOf(head) ?? (await named(head)));
}

function imageOf(head: Buffer): string | undefined {
  if (startsWith(head, '\xff\xd8\xff')) return 'image/jpeg';
  if (startsWith(head, '\x89PNG\r\n\x1a\n')) return 'image/png';
  if (startsWith(head, 'GIF87a') || startsWith(head, 'GIF89a')) return 'image/gif';
  if (startsWith(head, 'RIFF') && head.toString('latin1', 8, 12) === 'WEBP') return 'image/webp';
  return undefined;
}

function startsWith(head: Buffer, signature: string): boolean {
  return head.toString('latin1', 0, signature.length) === signature;
}

/** The media type of what is not taken, for the answer. */
async function named(head: Buffer): Promise<string | null> {
  const found = await fileTypeFromBuffer(head.subarray(0, DECISIVE_BYTES)).catch(() => undefined);
  return found?.mime ?? null;
}

/**
 * Formats whose files can be clean text. Of other signatures clean text is none: letters can look like one ("BMW",
 * "MZ,Name", "ID3 is").
 */
const TEXTUAL = new Set([
  'application/pdf',
  'application/rtf',
  'application/postscript',
  'application/eps',
  'application/xml',
]);

/** Valid UTF-8, without control characters but white space. */
export function isText(bytes: Buffer, whole: boolean): boolean {
  const text = whole ? bytes : withoutCutCharacter(bytes);
  return isUtf8(text) && !hasControls(text);
}

/** A chunk may end in the middle of a character of up to four bytes. */
function withoutCutCharacter(head: Buffer): Buffer {
  let end = head.length;
  for (let back = 1; back <= Math.min(3, head.length); back++) {
    if ((head[head.length - back] ?? 0) >= 0xc0) end = head.length - back;
  }
  return head.subarray(0, end);
}

function hasControls(text: Buffer): boolean {
  // Tab, line feed, form feed, carriage return and escape (ANSI colours in logs) occur in text; NUL and others do not.
  return text.some((byte) => byte < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d, 0x1b].includes(byte));
}

/**
 * Anything that begins like markup. A browser that sniffs knows fewer tags (WHATWG MIME Sniffing, 7.1), but others read
 * files too, and a text has little reason to begin with a tag.
 */
const MARKUP = /^<(?:[!?%]|\/?[a-z][a-z0-9:-]*[\s/>])/i;

function markupOf(head: Buffer): string | undefined {
  // A byte order mark counts as white space here.
  const text = head.toString('utf8').trimStart().slice(0, 1024);
  if (!MARKUP.test(text)) return undefined;
  if (/^<\?(php|=)/i.test(text)) return 'application/x-httpd-php';
  if (/^(<\?xml|<!doctype(?! html)|<svg)/i.test(text))
    return /<svg[\s>]/i.test(text) ? 'image/svg+xml' : 'application/xml';
  return 'text/html';
}
