import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import yauzl, { type Entry } from 'yauzl';
import { readAt } from '../../../storage/local/files.js';

/** The record that ends a ZIP and tells where its directory is. */
export interface EndRecord {
  /** Where it stands in the file, as all places here. */
  readonly at: number;
  readonly entries: number;
  readonly directorySize: number;
  readonly directoryAt: number;
  /** Where the comment ends that it announces: the end of the file, unless somebody appended to it. */
  readonly end: number;
}

/** What the directory says of an entry. Sizes and places are in bytes. */
export interface ZipEntry {
  /** Lower case. */
  readonly name: string;
  readonly at: number;
  /** What it takes at its place, at least. */
  readonly leastBytes: number;
  /** What it takes in the directory. */
  readonly directoryBytes: number;
  readonly packed: number;
  readonly unpacked: number;
  readonly deflated: boolean;
}

const END_SIGNATURE = Buffer.from('504b0506', 'hex');
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;

/** A ZIP ends with such a record and a comment of at most 65,535 bytes. */
export const ZIP_TAIL_BYTES = END_BYTES + 0xffff;

/** The end records in the last bytes of a file, from the end, as readers look for them. */
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

/** A ZIP that is not to be trusted; the message says why. */
export class BadZip extends Error {}

const MOST_ENTRIES = 10_000;
const MOST_DIRECTORY_BYTES = 2 * 1024 * 1024;
/** Of the directory, a few milliseconds; then others have their turn. */
const BYTES_AT_ONCE = 64 * 1024;
const MOST_EXTRA_BYTES = 4096;
/** Bytes behind the end of a ZIP that count for nothing. */
const MOST_PADDING_BYTES = 64 * 1024;
/** An extra field with the name again, or another one (PKWARE APPNOTE, 4.6.9), of which not all programs know. */
const UNICODE_NAME = 0x7075;
const MOST_UNPACKED_BYTES = 1024 ** 3;
/** Sheets of zeros are packed to less than a hundredth, but then they are not large. */
const MOST_RATIO = 100;
const HARMLESS_BYTES = 64 * 1024 * 1024;

/**
 * The entries of a ZIP by its central directory alone; nothing is unpacked. Refused is what readers could see in
 * different ways or what could hurt them: too many entries, too much to unpack, entries in each other's bytes,
 * encryption, two entries of one name, bytes after the end.
 * @throws BadZip
 */
export async function readDirectory(file: FileHandle, total: number): Promise<readonly ZipEntry[]> {
  const tailBytes = Math.min(total, ZIP_TAIL_BYTES + MOST_PADDING_BYTES);
  const tail = await readAt(file, tailBytes, total - tailBytes);
  const [record] = endRecords(tail, total);
  if (!record || record.end > total || !isBlank(tail.subarray(record.end - (total - tailBytes))))
    throw new BadZip('The archive is damaged: it has no end');
  const { entries: count, directorySize, directoryAt } = record;
  if (count > MOST_ENTRIES) throw new BadZip(`The archive has more than ${MOST_ENTRIES} entries`);
  if (directorySize > MOST_DIRECTORY_BYTES) throw new BadZip('The directory of the archive is too long');
  if (directoryAt + directorySize !== record.at)
    throw new BadZip('The archive is damaged: its directory is misplaced');
  const start = Math.min(directoryAt, total - tailBytes);
  const entries = await parse(await readAt(file, record.end - start, start), start, record.end);
  check(entries, record, total);
  return entries;
}

async function parse(end: Buffer, start: number, total: number): Promise<ZipEntry[]> {
  try {
    // Names are decoded here: yauzl would do it with the comments too, which takes a second for a megabyte.
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

/** Not the entry as yauzl has it, which may keep thousands of extra fields alive. */
function toZipEntry(entry: Entry): ZipEntry {
  const { fileNameLength, extraFieldLength, fileCommentLength } = entry;
  if (entry.isEncrypted()) throw new BadZip('The archive is encrypted');
  if (!entry.canDecodeFileData() || extraFieldLength > MOST_EXTRA_BYTES)
    throw new BadZip('The archive is packed in an unusual way');
  if (isStrange(entry)) throw new BadZip('The archive has an entry with an invalid name');
  return {
    name: nameOf(entry.fileNameRaw),
    at: entry.relativeOffsetOfLocalHeader,
    leastBytes: LOCAL_BYTES + fileNameLength + entry.compressedSize,
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

/** Some programs end a file with a line, or fill up its last block. */
export function isBlank(bytes: Buffer): boolean {
  return /^[\0\s]*$/.test(bytes.toString('latin1'));
}

/** Gives yauzl the end of the file out of memory: two reads of the disk for each of thousands of entries take long. */
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
    // Before the directory could be a record of ZIP64, which files of this size have no need of.
    callback(null, from < 0 ? 0 : this.bytes.copy(buffer, offset, from, from + length));
  }
}

function check(entries: readonly ZipEntry[], { directorySize, directoryAt }: EndRecord, total: number): void {
  if (sum(entries.map(({ directoryBytes }) => directoryBytes)) !== directorySize)
    throw new BadZip('The archive is damaged: its directory is not as long as it says');
  const unpacked = sum(entries.map(({ unpacked }) => unpacked));
  if (unpacked > MOST_UNPACKED_BYTES || (unpacked > HARMLESS_BYTES && unpacked > total * MOST_RATIO))
    throw new BadZip('The archive unpacks to too much data');
  if (new Set(entries.map(({ name }) => name)).size < entries.length)
    throw new BadZip('The archive has two entries with the same name');
  const sorted = entries.toSorted((a, b) => a.at - b.at);
  if (sorted.some(({ at, leastBytes }, i) => at + leastBytes > (sorted[i + 1]?.at ?? directoryAt)))
    throw new BadZip('The archive has overlapping entries');
}

/** Unpacks one small entry. @throws BadZip when it is not small, or damaged */
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
