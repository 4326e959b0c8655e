import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import yauzl, { type Entry } from 'yauzl';
import { readAt } from '../../../storage/local/files.js';

/** The end record of a ZIP, which says where its directory is. */
interface EndRecord {
  /** Position in the file. */
  readonly at: number;
  readonly entries: number;
  readonly directorySize: number;
  readonly directoryAt: number;
  /** The end of its comment, which is the end of the file unless something was appended. */
  readonly end: number;
}

/** An entry of the directory. Sizes and positions are in bytes. */
export interface ZipEntry {
  /** Lower case. */
  readonly name: string;
  readonly at: number;
  /** Its minimum size in the file. */
  readonly minBytes: number;
  /** Its size in the directory. */
  readonly directoryBytes: number;
  readonly packed: number;
  readonly unpacked: number;
  readonly deflated: boolean;
}

const END_SIGNATURE = Buffer.from('504b0506', 'hex');
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;

/** A ZIP ends with an end record and a comment of at most 65,535 bytes. */
export const ZIP_TAIL_BYTES = END_BYTES + 0xffff;

/** The end records in the last bytes of a file, starting from the end, like ZIP readers. */
export function* endRecords(tail: Buffer, total: number): Generator<EndRecord, void> {
  for (let found = tail.length - END_BYTES; (found = lastRecord(tail, found)) >= 0; found--) {
    const at = total - tail.length + found;
    yield {
      at,
      entries: tail.readUInt16LE(found + 10),
      directorySize: tail.readUInt32LE(found + 12),
      directoryAt: tail.readUInt32LE(found + 16),
      end: at + END_BYTES + tail.readUInt16LE(found + 20),
    };
  }
}

function lastRecord(tail: Buffer, from: number): number {
  return from < 0 ? -1 : tail.lastIndexOf(END_SIGNATURE, from);
}

/** A ZIP that is refused; the message says why. */
export class BadZip extends Error {}

const MAX_ENTRIES = 10_000;
const MAX_DIRECTORY_BYTES = 2 * 1024 * 1024;
/** Entries that take a few milliseconds. Then the event loop continues. */
const BYTES_AT_ONCE = 64 * 1024;
const MAX_EXTRA_BYTES = 4096;
/** Bytes that may follow the end of a ZIP. */
const MAX_PADDING_BYTES = 64 * 1024;
/** An extra field with another name (PKWARE APPNOTE, 4.6.9), which not all programs know. */
const UNICODE_NAME = 0x7075;
const MAX_UNPACKED_BYTES = 1024 ** 3;
/** Sheets of zeros compress to less than a hundredth, but they are not large. */
const MAX_RATIO = 100;
const HARMLESS_BYTES = 64 * 1024 * 1024;

/**
 * Reads the entries of a ZIP from its central directory alone, without unpacking. Refuses what readers could interpret
 * differently or what could harm them: too many entries, too much data, overlapping entries, encryption, repeated
 * names, bytes after the end.
 * @throws BadZip
 */
export async function readDirectory(file: FileHandle, total: number): Promise<readonly ZipEntry[]> {
  const tailBytes = Math.min(total, ZIP_TAIL_BYTES + MAX_PADDING_BYTES);
  const tail = await readAt(file, tailBytes, total - tailBytes);
  const [record] = endRecords(tail, total);
  if (!record || record.end > total || !isBlank(tail.subarray(record.end - (total - tailBytes))))
    throw new BadZip('The archive is damaged: it has no end');
  const { entries: count, directorySize, directoryAt } = record;
  if (count > MAX_ENTRIES) throw new BadZip(`The archive has more than ${MAX_ENTRIES} entries`);
  if (directorySize > MAX_DIRECTORY_BYTES) throw new BadZip('The directory of the archive is too long');
  if (directoryAt + directorySize !== record.at)
    throw new BadZip('The archive is damaged: its directory is misplaced');
  const start = Math.min(directoryAt, total - tailBytes);
  const entries = await parse(await readAt(file, record.end - start, start), start, record.end);
  check(entries, record, total);
  return entries;
}

async function parse(end: Buffer, start: number, total: number): Promise<ZipEntry[]> {
  try {
    // Names are decoded here: yauzl would decode comments too, which takes a second per megabyte.
    const options = { decodeStrings: false };
    const zip = await yauzl.fromRandomAccessReaderPromise(new EndReader(end, start), total, options);
    const entries: ZipEntry[] = [];
    let bytes = 0;
    for await (const found of zip.eachEntry()) {
      const entry = toZipEntry(found);
      entries.push(entry);
      bytes += entry.directoryBytes;
      if (bytes > BYTES_AT_ONCE) bytes = await setImmediate(0);
    }
    return entries;
  } catch (cause) {
    throw cause instanceof BadZip ? cause : new BadZip('The archive is damaged', { cause });
  }
}

/** A copy, because yauzl's entry may keep thousands of extra fields in memory. */
function toZipEntry(entry: Entry): ZipEntry {
  const { fileNameLength, extraFieldLength, fileCommentLength } = entry;
  if (entry.isEncrypted()) throw new BadZip('The archive is encrypted');
  if (!entry.canDecodeFileData() || extraFieldLength > MAX_EXTRA_BYTES)
    throw new BadZip('The archive is packed in an unusual way');
  if (isStrange(entry)) throw new BadZip('The archive has an entry with an invalid name');
  return {
    name: nameOf(entry.fileNameRaw),
    at: entry.relativeOffsetOfLocalHeader,
    minBytes: LOCAL_BYTES + fileNameLength + entry.compressedSize,
    directoryBytes: ENTRY_BYTES + fileNameLength + extraFieldLength + fileCommentLength,
    packed: entry.compressedSize,
    unpacked: entry.uncompressedSize,
    deflated: entry.compressionMethod !== 0,
  };
}

/** Lower case, as Office compares them. All that matter are ASCII, the same in every encoding that a ZIP may have. */
export function nameOf(raw: Buffer): string {
  return raw.toString('latin1').replaceAll('\\', '/').toLowerCase();
}

function isStrange({ fileNameRaw, extraFields }: Entry): boolean {
  return (
    yauzl.validateFileName(nameOf(fileNameRaw)) !== null ||
    extraFields.some(({ id, data }) => id === UNICODE_NAME && !data.subarray(5).equals(fileNameRaw))
  );
}

/** Some programs append a line end, or pad the last block. */
export function isBlank(bytes: Buffer): boolean {
  return /^[\0\s]*$/.test(bytes.toString('latin1'));
}

/** Lets yauzl read the end of the file from memory: two disk reads for each of thousands of entries would be slow. */
class EndReader extends yauzl.RandomAccessReader {
  constructor(
    private readonly bytes: Buffer,
    private readonly start: number,
  ) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead: number) => void,
  ): void {
    const from = position - this.start;
    // There could be a ZIP64 record before the directory, which files of this size do not need.
    callback(null, from < 0 ? 0 : this.bytes.copy(buffer, offset, from, from + length));
  }
}

function check(entries: readonly ZipEntry[], { directorySize, directoryAt }: EndRecord, total: number): void {
  if (sum(entries.map(({ directoryBytes }) => directoryBytes)) !== directorySize)
    throw new BadZip('The archive is damaged: its directory is not as long as it says');
  const unpacked = sum(entries.map(({ unpacked }) => unpacked));
  if (unpacked > MAX_UNPACKED_BYTES || (unpacked > HARMLESS_BYTES && unpacked > total * MAX_RATIO))
    throw new BadZip('The archive unpacks to too much data');
  if (new Set(entries.map(({ name }) => name)).size < entries.length)
    throw new BadZip('The archive has two entries with the same name');
  const sorted = entries.toSorted((a, b) => a.at - b.at);
  if (sorted.some(({ at, minBytes }, i) => at + minBytes > (sorted[i + 1]?.at ?? directoryAt)))
    throw new BadZip('The archive has overlapping entries');
}

/** Unpacks one small entry. @throws BadZip if it is large or damaged */
export async function readEntry(file: FileHandle, entry: ZipEntry, maxBytes: number): Promise<Buffer> {
  if (entry.packed > maxBytes || entry.unpacked > maxBytes)
    throw new BadZip(`The archive has a ${entry.name} that is too large`);
  const header = await readAt(file, LOCAL_BYTES, entry.at);
  const start = entry.at + LOCAL_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  const data = await readAt(file, entry.packed, start);
  if (!entry.deflated) return data;
  try {
    return await promisify(inflateRaw)(data, { maxOutputLength: maxBytes });
  } catch (cause) {
    throw new BadZip('The archive is damaged', { cause });
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
