import { isAscii } from 'node:buffer';
import { extname } from 'node:path';
import { fileTypeFromBuffer } from 'file-type';
import { MEDIA_TYPES } from '../../config/media-types.js';
import { CharsetDetector, markOf } from './digest/charset.js';
import { isCompoundFile } from './office/compound-file.js';
import { OLD_OFFICE, oldOfficeType } from './office/old-office.js';
import { accepted, refused, undecided, type Accepted, type Refused, type Undecided } from './verdict.js';
import { hasMarkdown, markupOf, mayBeMarkdown } from './markup.js';
import { sniffPackage } from './office/office-package.js';
import { isZip } from './office/zip-head.js';

export type Sniffed = Accepted | Refused | Undecided;

const TEXTS = MEDIA_TYPES.filter((mime) => mime.startsWith('text/'));

/** With fewer bytes, more of them may help to detect the type. */
export const DECISIVE_BYTES = 4100;

/** The longest signature of an accepted binary format. */
const SIGNATURE_BYTES = 12;

/** More bytes of the head do not help. The whole file is checked at completion. */
export const HEAD_BYTES = 256 * 1024;

/**
 * Detects the type of a file from its first bytes, ignoring names and media types from the client. Accepted formats are
 * detected here, by signatures at fixed positions. `file-type` only names the types of refused files: it parses dozens
 * of formats, so it gets only a few kilobytes.
 * @param head the first bytes of the file
 * @param whole whether `head` is the whole file, so that waiting for more would not help
 * @param fileName tells CSV from plain text, nothing else
 */
export async function sniff(head: Buffer, whole: boolean, fileName: string | null): Promise<Sniffed> {
  if (head.length > HEAD_BYTES) return await sniff(head.subarray(0, HEAD_BYTES), false, fileName);
  const extension = extname(fileName ?? '').toLowerCase();
  if (isZip(head)) return sniffPackage(head);
  if (isCompoundFile(head)) return await sniffCompoundFile(head, whole);
  const text = isText(head, whole);
  if (isPdf(head, text)) return accepted('application/pdf');
  const image = imageOf(head);
  // Text can look like the signature of a GIF or a WebP.
  if (image !== undefined && !(text && isAscii(head.subarray(0, SIGNATURE_BYTES)))) return accepted(image);
  return text ? await sniffText(head, whole, extension) : await sniffBinary(head, whole);
}

/** The directory may be anywhere in the file. */
async function sniffCompoundFile(head: Buffer, whole: boolean): Promise<Sniffed> {
  if (!whole) return undecided(OLD_OFFICE, 'application/x-cfb');
  return await oldOfficeType((at, length) => Promise.resolve(head.subarray(at, at + length)), head.length);
}

async function sniffText(head: Buffer, whole: boolean, extension: string): Promise<Sniffed> {
  const text = textOf(head);
  const mayGrow = !whole && head.length < DECISIVE_BYTES;
  const markup = markupOf(text);
  if (markup !== undefined && !(mayBeMarkdown(text) && (mayGrow || hasMarkdown(text))))
    return refused(markup);
  if (mayGrow) return undecided(markup === undefined ? MEDIA_TYPES : TEXTS, markup);
  const textual = await named(head);
  if (textual !== null && TEXTUAL.has(textual)) return refused(textual);
  return accepted(extension === '.csv' ? 'text/csv' : 'text/plain');
}

async function sniffBinary(head: Buffer, whole: boolean): Promise<Sniffed> {
  if (!whole && head.length < SIGNATURE_BYTES) return undecided(MEDIA_TYPES);
  return refused(markupOf(textOf(head)) ?? (await named(head)));
}

/** How far into a file readers look for the header of a PDF (PDF 1.7, annex H, note 13). */
const PDF_HEADER_BYTES = 1024;

/**
 * Mail, printers and Ghostscript put text before the header. In the middle of a line, it is only mentioned.
 * @param text whether all of the head is
 */
function isPdf(head: Buffer, text: boolean): boolean {
  if (startsWith(head, '%PDF-')) return true;
  const found = /%PDF-\d\.\d/.exec(head.toString('latin1', 0, PDF_HEADER_BYTES + 8));
  if (!found || found.index > PDF_HEADER_BYTES) return false;
  const before = head.subarray(0, found.index);
  const startsLine = /(?:^|[\r\n])$/.test(before.toString('utf8').replace(/^\ufeff/, ''));
  return (startsLine || !text) && isText(before, true) && markupOf(textOf(before)) === undefined;
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

/** The media type of a refused file, for the response. */
async function named(head: Buffer): Promise<string | null> {
  const found = await fileTypeFromBuffer(head.subarray(0, DECISIVE_BYTES)).catch(() => undefined);
  return found?.mime ?? (isTiff(head) ? 'image/tiff' : null);
}

/** `file-type` follows a TIFF to its directory, which tells camera raws apart but is often at the end of the file. */
function isTiff(head: Buffer): boolean {
  return ['II*\0', 'II+\0', 'MM\0*', 'MM\0+'].some((signature) => startsWith(head, signature));
}

/**
 * Formats whose files can be plain text. Other signatures are ignored in plain text, because words can look like one
 * ("BMW", "MZ,Name", "ID3 is").
 */
const TEXTUAL = new Set(['application/rtf', 'application/postscript', 'application/eps', 'application/xml']);

/** Whether a head may belong to a text. It may end in the middle of a character. */
function isText(head: Buffer, whole: boolean): boolean {
  // Excludes nearly all binary files early, which would otherwise be decoded twice.
  if (markOf(head) === 'utf-8' && head.includes(0)) return false;
  const detector = new CharsetDetector();
  detector.update(head);
  if (!whole) return detector.isText;
  detector.end();
  return detector.mayBeText;
}

/** The ASCII characters of an 8-bit text. */
function textOf(head: Buffer): string {
  return new TextDecoder(markOf(head)).decode(head);
}
