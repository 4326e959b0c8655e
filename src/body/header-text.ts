import { isUtf8 } from 'node:buffer';

const LATIN1 = new TextDecoder('windows-1252');

/** Decodes a header that is not ASCII: as UTF-8, which browsers use, or else as Latin-1, which old clients use. */
export function headerText(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString() : LATIN1.decode(bytes);
}
