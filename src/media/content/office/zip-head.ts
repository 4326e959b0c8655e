import { nameOf } from './zip-directory.js';

const SIGNATURE = 0x04034b50;
const HEADER_BYTES = 30;
const STORED = 0;

/** An entry according to its local header. Only the directory at the end of the file is authoritative. */
interface LocalEntry {
  /** Lower case, with slashes. */
  readonly name: string;
  /** Empty if the entry is compressed or continues past the head. */
  readonly content: Buffer;
}

export function isZip(head: Buffer): boolean {
  return head.length >= 4 && head.readUInt32LE(0) === SIGNATURE;
}

/** The entries at the start of a ZIP, as far as `head` has their headers and these say where the next one starts. */
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
