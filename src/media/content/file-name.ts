import { extname } from 'node:path';
import mimeTypes from 'mime-types';
import { fits, type ContentType } from './content-type.js';

const MAX_CHARS = 255;

/**
 * A client's file name as a title: the last path component, without control characters, line separators and bidi
 * overrides, at most 255 characters, NFC. Null when nothing visible is left, or for `blob`, which is what browsers call a
 * part that has no name.
 */
export function cleanFileName(name: string | undefined): string | null {
  if (name === undefined) return null;
  const base = decodeQuotes(name).split(/[/\\]/).at(-1) ?? '';
  // Cc control, Cs lone surrogates, Zl/Zp line separators. Joiners of letters and emoji are part of the name.
  const clean = base
    .replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/gu, '')
    .normalize('NFC')
    .trim();
  const title = [...clean].slice(0, MAX_CHARS).join('');
  return /^[\p{Cf}\p{Z}]*$/u.test(title) || ['.', '..', 'blob'].includes(title) ? null : title;
}

/**
 * A name under which a file can be saved without becoming something else: its extension is one of its type. That of
 * another type is replaced, so that a PDF called `a.php` is saved as `a.pdf`; what is no extension, as in `Fr.Meier`, stays.
 */
export function saveName(title: string, type: ContentType): string {
  const extension = extname(title);
  if (fits(type, extension.slice(1))) return title;
  const stem = mimeTypes.lookup(extension) ? title.slice(0, -extension.length) : title;
  return `${stem}.${type.extension}`;
}

/** Browsers escape these three, and only these, in a multipart file name (WHATWG HTML, multipart/form-data encoding). */
function decodeQuotes(name: string): string {
  return name.replace(/%22/g, '"').replace(/%0[AD]/gi, '');
}
