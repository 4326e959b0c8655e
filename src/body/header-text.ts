import { isUtf8 } from 'node:buffer';

const LATIN1 = new TextDecoder('windows-1252');

/** The text of a header that is not ASCII: UTF-8, as browsers write it, else Latin-1, which old clients do. */
export function headerText(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString() : LATIN1.decode(bytes);
}
