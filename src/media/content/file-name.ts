import { extname } from 'node:path';
import { fits, type ContentType } from './content-type.js';

const MAX_CHARS = 255;

/**
 * A client's file name as a title: the last path component, without control characters, bidi controls and other
 * invisible formatting, at most 255 characters, NFC. Null when nothing is left, or for `blob`, which is what browsers
 * call a part that has no name.
 */
export function cleanFileName(name: string | undefined): string | null {
  if (name === undefined) return null;
  const base = decodeQuotes(name).split(/[/\\]/).at(-1) ?? '';
  // Cc control, Cf format (bidi overrides, zero-width), Cs lone surrogates, Zl/Zp line separators, U+FFFD bad UTF-8.
  const clean = base
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\uFFFD]/gu, '')
    .normalize('NFC')
    .trim();
  const title = [...clean].slice(0, MAX_CHARS).join('');
  return title === '' || title === '.' || title === '..' || title === 'blob' ? null : title;
}

/**
 * A name under which a file can be saved without becoming something else: its extension is one of its type. Another
 * one is replaced, so that a PDF called `a.php` is saved as `a.pdf`; what is hardly an extension, as in `v1.2`, stays.
 */
export function saveName(title: string, type: ContentType): string {
  const extension = extname(title);
  if (fits(type, extension.slice(1))) return title;
  const stem = /^\.[a-z]\w{0,4}$/i.test(extension) ? title.slice(0, -extension.length) : title;
  return `${stem}.${type.extension}`;
}

/** Browsers escape these three, and only these, in a multipart file name (WHATWG HTML, multipart/form-data encoding). */
function decodeQuotes(name: string): string {
  return name.replace(/%22/g, '"').replace(/%0[AD]/gi, '');
}
