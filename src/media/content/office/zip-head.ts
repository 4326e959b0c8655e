import { nameOf } from './zip-directory.js';

const SIGNATURE = 0x04034b50;
const HEADER_BYTES = 30;
const STORED = 0;

/** An entry as its local header has it, which is a claim: what counts is the directory at the end of the file. */
export interface LocalEntry {
  /** Lower case, with slashes. */
  readonly name: string;
  /** Empty where it is compressed, or is not whole in the head. */
  readonly content: Buffer;
}

export function isZip(head: Buffer): boolean {
  return head.length >= 4 && head.readUInt32LE(0) === SIGNATURE;
}

/** The entries at the start of a ZIP, as far as their headers are in `head` and tell where the next one is. */
export function* localEntries(head: Buffer): Generator<LocalEntry> {
  for (let at = 0; at + HEADER_BYTES <= head.length && head.readUInt32LE(at) === SIGNATURE;) {
    const size = head.readUInt32LE(at + 18);
    const nameEnd = at + HEADER_BYTES + head.readUInt16LE(at + 26);
    if (nameEnd > head.length) return;
    const start = nameEnd + head.readUInt16LE(at + 28);
    const end = start + size;
    const readable = head.readUInt16LE(at + 8) === STORED && end <= head.length;
    yield {
      name: nameOf(head.subarray(at + HEADER_BYTES, nameEnd)),
      content: readable ? head.subarray(start, end) : Buffer.alloc(0),
    };
    // A size of 0 may mean that the size follows the data.
    if (hasDescriptor(head, at)) return;
    at = end;
  }
}

function hasDescriptor(head: Buffer, at: number): boolean {
  return (head.readUInt16LE(at + 6) & 0x8) !== 0;
}
