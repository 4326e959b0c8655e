import { isUtf8 } from 'node:buffer';
import { extname } from 'node:path';
import { fileTypeFromBuffer } from 'file-type';
import { contentType, type ContentType } from './content-type.js';

/** Undecided: the bytes so far could still become a file that is taken. Refused: they cannot. */
export type Sniffed =
  | { readonly verdict: 'accepted'; readonly type: ContentType }
  | { readonly verdict: 'undecided' }
  | { readonly verdict: 'refused'; readonly detected: string | null };

/** The longest signature read here, an HTML tag after white space, fits; `file-type` asks for 4,100 bytes. */
const DECISIVE_BYTES = 4100;
const CFB_SIGNATURE = Buffer.from('d0cf11e0a1b11ae1', 'hex');
const ZIP_SIGNATURE = Buffer.from('504b0304', 'hex');

/**
 * What a file is, told from its first bytes; names and media types that a client claims are not believed.
 * @param head the first bytes of the file
 * @param whole whether `head` is the whole file, so that waiting for more would not help
 * @param fileName tells CSV from plain text and the old Office formats apart, nothing else
 */
export async function sniff(head: Buffer, whole: boolean, fileName: string | null): Promise<Sniffed> {
  const extension = extname(fileName ?? '').toLowerCase();
  const text = isText(head, whole);
  const mime = await signatureOf(head, text, extension);
  const type = mime === undefined ? undefined : contentType(mime);
  if (type) return { verdict: 'accepted', type };
  if (!whole && mayYetTell(head)) return { verdict: 'undecided' };
  const detected = (text ? markupOf(head) : undefined) ?? mime;
  if (!text || detected !== undefined) return { verdict: 'refused', detected: detected ?? null };
  return accepted(extension === '.csv' ? 'text/csv' : 'text/plain');
}

/** Letters can look like a signature ("BMW", "MZ,Name", "ID3 is"): of clean text only the formats made of text count. */
async function signatureOf(head: Buffer, text: boolean, extension: string): Promise<string | undefined> {
  if (head.subarray(0, 8).equals(CFB_SIGNATURE)) return OLD_OFFICE[extension] ?? 'application/msword';
  const detected = await fileTypeFromBuffer(head).catch(() => undefined);
  return text && !TEXTUAL.has(detected?.mime ?? '') ? undefined : detected?.mime;
}

/** The entry that names an Office file's kind need not come first in its ZIP. */
function mayYetTell(head: Buffer): boolean {
  return head.length < DECISIVE_BYTES || head.subarray(0, 4).equals(ZIP_SIGNATURE);
}

/** Formats whose files can be clean text. */
const TEXTUAL = new Set([
  'application/pdf',
  'application/rtf',
  'application/postscript',
  'application/eps',
  'application/xml',
]);

/** Valid UTF-8, without control characters but white space. */
function isText(head: Buffer, whole: boolean): boolean {
  const text = whole ? head : withoutCutCharacter(head);
  return isUtf8(text) && !hasControls(text);
}

const OLD_OFFICE: Readonly<Record<string, string>> = {
  '.doc': 'application/msword',
  '.xls': 'application/vnd.ms-excel',
  '.ppt': 'application/vnd.ms-powerpoint',
};

function accepted(mime: string): Sniffed {
  const type = contentType(mime);
  return type ? { verdict: 'accepted', type } : { verdict: 'refused', detected: mime };
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

/** The tags that make a browser see HTML (WHATWG MIME Sniffing, 7.1), and SVG and XML, which can carry scripts too. */
const HTML =
  /^(<!doctype html|<(html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[\s>]|<!--)/i;

function markupOf(head: Buffer): string | undefined {
  const text = head
    .toString('utf8', 0, 1024)
    .replace(/^\uFEFF/, '')
    .trimStart();
  if (HTML.test(text)) return 'text/html';
  if (/^(<\?xml|<!doctype|<svg[\s>])/i.test(text))
    return /<svg[\s>]/i.test(text) ? 'image/svg+xml' : 'application/xml';
  return undefined;
}
