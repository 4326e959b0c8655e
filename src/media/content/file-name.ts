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

/** Browsers escape these three, and only these, in a multipart file name (WHATWG HTML, multipart/form-data encoding). */
function decodeQuotes(name: string): string {
  return name.replace(/%22/g, '"').replace(/%0[AD]/gi, '');
}
