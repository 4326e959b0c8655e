import { isAscii } from 'node:buffer';
import { extname } from 'node:path';
import { fileTypeFromBuffer } from 'file-type';
import { MEDIA_TYPES } from '../../config/media-types.js';
import { CharsetDetector, markOf } from './charset.js';
import { isCompoundFile } from './office/compound-file.js';
import { OLD_OFFICE, oldOfficeType } from './office/old-office.js';
import { accepted, refused, undecided, type Accepted, type Refused, type Undecided } from './verdict.js';
import { markupOf } from './markup.js';
import { sniffPackage } from './office/office-package.js';
import { isZip } from './office/zip-head.js';

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
  // Letters can look like the signature of a GIF or a WebP.
  if (image !== undefined && !(text && isAscii(head.subarray(0, SIGNATURE_BYTES)))) return accepted(image);
  return text ? await sniffText(head, whole, extension) : await sniffBinary(head, whole);
}

/** The directory may be anywhere in the file. */
async function sniffCompoundFile(head: Buffer, whole: boolean): Promise<Sniffed> {
  if (!whole) return undecided(OLD_OFFICE, 'application/x-cfb');
  return await oldOfficeType((at, length) => Promise.resolve(head.subarray(at, at + length)), head.length);
}

async function sniffText(head: Buffer, whole: boolean, extension: string): Promise<Sniffed> {
  const markup = markupOf(textOf(head));
  if (markup !== undefined) return refused(markup);
  if (!whole && head.length < DECISIVE_BYTES) return undecided(MEDIA_TYPES);
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
 * Mail, printers and Ghostscript put text before the header. In the middle of a line of a text it may be spoken of.
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

/** The media type of what is not taken, for the answer. */
async function named(head: Buffer): Promise<string | null> {
  const found = await fileTypeFromBuffer(head.subarray(0, DECISIVE_BYTES)).catch(() => undefined);
  return found?.mime ?? null;
}

/**
 * Formats whose files can be clean text. Of other signatures clean text is none: letters can look like one ("BMW",
 * "MZ,Name", "ID3 is").
 */
const TEXTUAL = new Set(['application/rtf', 'application/postscript', 'application/eps', 'application/xml']);

/** Whether a head may be that of a text. A chunk may end in the middle of a character. */
function isText(head: Buffer, whole: boolean): boolean {
  // The quick answer for nearly all that is none, which would else be decoded twice.
  if (markOf(head) === 'utf-8' && head.includes(0)) return false;
  const detector = new CharsetDetector();
  detector.update(head);
  if (!whole) return detector.isText;
  detector.end();
  return detector.charset !== null;
}

/** Of an 8-bit text, the characters that are ASCII. */
function textOf(head: Buffer): string {
  return new TextDecoder(markOf(head)).decode(head);
}
