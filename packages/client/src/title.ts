const MAX_CHARS = 255;

/** What the server makes of a file name (`cleanFileName` there): by this it lists the upload. Null when nothing is left. */
export function titleOf(name: string | undefined): string | null {
  if (name === undefined) return null;
  const base =
    name
      .replace(/%22/g, '"')
      .replace(/%0[AD]/gi, '')
      .split(/[/\\]/)
      .at(-1) ?? '';
  const clean = base
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\uFFFD]/gu, '')
    .normalize('NFC')
    .trim();
  const title = [...clean].slice(0, MAX_CHARS).join('');
  return ['', '.', '..', 'blob'].includes(title) ? null : title;
}
