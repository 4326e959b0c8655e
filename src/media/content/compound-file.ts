import type { FileHandle } from 'node:fs/promises';
import { readAt } from '../../storage/local/files.js';

/** Compound File Binary: the container of the old Office formats, and of installers, thumbnail stores and more. */
const SIGNATURE = Buffer.from('d0cf11e0a1b11ae1', 'hex');

export const OLD_OFFICE: Readonly<Record<string, string>> = {
  '.doc': 'application/msword',
  '.xls': 'application/vnd.ms-excel',
  '.ppt': 'application/vnd.ms-powerpoint',
};

export function isCompoundFile(head: Buffer): boolean {
  return head.subarray(0, SIGNATURE.length).equals(SIGNATURE);
}

/** Names that the directory of a compound file has in UTF-16 when an Office program wrote it; an installer has others. */
const STREAMS = [
  ['WordDocument', 'application/msword'],
  ['PowerPoint Document', 'application/vnd.ms-powerpoint'],
  ['Workbook', 'application/vnd.ms-excel'],
  ['Book', 'application/vnd.ms-excel'],
].map(([name, mime]) => ({ mime, bytes: Buffer.from(`${name}\0`, 'utf16le') }));

const BLOCK_BYTES = 256 * 1024;
/** More than the longest name: blocks overlap by so much. */
const OVERLAP_BYTES = 64;

/**
 * The media type of an old Office file by the streams that it has; undefined when it has none of them. The directory
 * may be anywhere in the file, so all of it is looked at, block by block.
 * @param likely what its name says: a Word file may have a workbook in it, and a workbook a Word file
 */
export async function oldOfficeType(
  file: FileHandle,
  total: number,
  likely: string,
): Promise<string | undefined> {
  let found: string | undefined;
  for (let at = 0; at < total; at += BLOCK_BYTES - OVERLAP_BYTES) {
    const block = await readAt(file, Math.min(BLOCK_BYTES, total - at), at);
    const types = STREAMS.filter(({ bytes }) => block.includes(bytes)).map(({ mime }) => mime);
    if (types.includes(likely)) return likely;
    found ??= types[0];
  }
  return found;
}
