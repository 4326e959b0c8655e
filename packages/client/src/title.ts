/** So much of a name tells; the server shortens what is much longer. */
const MAX_CHARS = 100;

/**
 * What is left of a file name, or of the title that a server of whatever version made of it, once all is gone that a
 * server may take away: directories, blanks and invisible characters, the end.
 */
export function gistOf(name: string | null | undefined): string {
  // A multipart body has the first three in this form.
  const decoded = (name ?? '').replace(/%22/g, '"').replace(/%0[AD]/gi, '');
  const visible = (decoded.split(/[/\\]/).at(-1) ?? '')
    .replace(/[\p{C}\p{Z}\s\uFFFD]/gu, '')
    .normalize('NFC');
  const gist = [...visible].slice(0, MAX_CHARS).join('');
  return ['.', '..', 'blob'].includes(gist) ? '' : gist;
}
