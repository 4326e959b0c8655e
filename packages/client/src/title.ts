/** Only so much of a name is compared, because the server shortens long names. */
const MAX_CHARS = 100;

/**
 * Reduces a file name, or the title that any version of the server has made of it, to what no server changes: its first
 * characters, without directories, blanks and invisible characters.
 */
export function gistOf(name: string | null | undefined): string {
  // In multipart bodies, browsers escape quotes and line ends like this.
  const decoded = (name ?? '').replace(/%22/g, '"').replace(/%0[AD]/gi, '');
  const visible = (decoded.split(/[/\\]/).at(-1) ?? '')
    .replace(/[\p{C}\p{Z}\s\uFFFD]/gu, '')
    .normalize('NFC');
  const gist = [...visible].slice(0, MAX_CHARS).join('');
  return ['.', '..', 'blob'].includes(gist) ? '' : gist;
}
