import { extname } from 'node:path';
import mimeTypes from 'mime-types';
import { fits, type ContentType } from './content-type.js';

const MAX_CHARS = 255;

/**
 * Makes a title from a client's file name: the last path component, without control characters, line separators and
 * bidi overrides, at most 255 characters, in NFC. Null if nothing visible is left, or for `blob`, which browsers use
 * for parts without a name.
 */
export function cleanFileName(name: string | undefined): string | null {
  if (name === undefined) return null;
  const base = decodeQuotes(name).split(/[/\\]/).at(-1) ?? '';
  // Cc control, Cs lone surrogates, Zl/Zp line separators. Joiners of letters and emoji stay.
  const clean = base
    .replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/gu, '')
    .normalize('NFC')
    .trim();
  const title = [...clean].slice(0, MAX_CHARS).join('');
  return /^[\p{Cf}\p{Z}]*$/u.test(title) || ['.', '..', 'blob'].includes(title) ? null : title;
}

/**
 * A file name whose extension matches the type. An extension of another type is replaced, so that a PDF called `a.php`
 * is saved as `a.pdf`. What is not an extension stays, as in `Fr.Meier`.
 */
export function saveName(title: string, type: ContentType): string {
  const extension = extname(title);
  if (fits(type, extension.slice(1))) return title;
  const stem = mimeTypes.lookup(extension) ? title.slice(0, -extension.length) : title;
  return `${stem}.${type.extension}`;
}

/**
 * Browsers escape these three, and only these, in a multipart file name (WHATWG HTML, multipart/form-data encoding).
 */
function decodeQuotes(name: string): string {
  return name.replace(/%22/g, '"').replace(/%0[AD]/gi, '');
}
