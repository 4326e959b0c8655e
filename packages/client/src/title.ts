/** How much of a name is compared, because the server shortens long names. */
const MAX_CHARS = 100;

/**
 * Reduces a file name, or the title that a server of any version has made of it, to what servers do not change: without
 * directories, blanks, invisible characters and the end.
 */
export function gistOf(name: string | null | undefined): string {
  // Multipart bodies have the first three in this form.
  const decoded = (name ?? '').replace(/%22/g, '"').replace(/%0[AD]/gi, '');
  const visible = (decoded.split(/[/\\]/).at(-1) ?? '')
    .replace(/[\p{C}\p{Z}\s\uFFFD]/gu, '')
    .normalize('NFC');
  const gist = [...visible].slice(0, MAX_CHARS).join('');
  return ['.', '..', 'blob'].includes(gist) ? '' : gist;
}
