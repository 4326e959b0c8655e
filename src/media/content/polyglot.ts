import type { FileHandle } from 'node:fs/promises';
import { readAt } from '../../storage/local/files.js';
import { endRecords, isBlank, ZIP_TAIL_BYTES } from './office/zip-directory.js';
import { refused, type Refused } from './verdict.js';

/** A complete PDF has its end mark within its last bytes. */
const PDF_TAIL_BYTES = 1024 * 1024;
/** Without an end mark, this many last bytes are checked. */
const PDF_STUMP_BYTES = 64 * 1024;
const PDF_END = '%%EOF';
/** After an end mark that is not the last one: that of the first page of a linearized PDF, or of an older revision. */
const NEXT_OBJECT = /^[\s\0]*\d{1,10}\s+\d{1,5}\s+obj\b/;

/** Anything like a tag. */
const TAG = /<(?:!--|!doctype|\?php|\?=|%|\/?[a-z][a-z0-9]*[\s/>])/i;
/** Tags that are too long to occur in random bytes by chance. */
const LONG_TAG = /<(?:!doctype|\?php|script|iframe|(?:html|body)[\s>])/i;

export interface Host {
  readonly mime: string;
  readonly total: number;
  /** End of the image, for images. */
  readonly imageEnd: number | undefined;
  /** Whether everything after that is cut off before publishing. */
  readonly isTrimmed: boolean;
}

/**
 * Finds a second format in an image, a PDF or a text: an archive, page or script after its end. Phones append videos
 * and second pictures to a JPEG, so only what could do harm is refused there.
 */
export async function findHiddenContent(
  file: FileHandle,
  { mime, total, imageEnd, isTrimmed }: Host,
): Promise<Refused | undefined> {
  const rest: Rest =
    mime === 'application/pdf' ? await restOfPdf(file, total) : { at: imageEnd ?? total, tag: LONG_TAG };
  if (await holdsZip(file, total, rest.at))
    return refused('application/zip', 'An archive is hidden in the file');
  if (isTrimmed) return undefined;
  const bytes = await readAt(file, total - rest.at, rest.at);
  const [tag] = rest.tag.exec(bytes.toString('latin1')) ?? [];
  if (tag !== undefined)
    return refused(
      tag.startsWith('<?') ? 'application/x-httpd-php' : 'text/html',
      rest.isCut ? 'The PDF is truncated: its end is missing' : 'Markup is hidden in the file',
    );
  if (mime !== 'image/jpeg' && mime !== 'application/pdf' && !isBlank(bytes))
    return refused(null, 'There are bytes after the end of the image');
  return undefined;
}

/** The bytes that must not contain tags. */
interface Rest {
  readonly at: number;
  readonly tag: RegExp;
  readonly isCut?: boolean;
}

/**
 * After its last end mark, a PDF must not have any tags. Without a mark, it may have any bytes. A mark that objects
 * follow is not its last one, and their streams have any bytes too.
 */
async function restOfPdf(file: FileHandle, total: number): Promise<Rest> {
  const start = Math.max(0, total - PDF_TAIL_BYTES);
  const tail = await readAt(file, total - start, start);
  const mark = tail.lastIndexOf(PDF_END);
  const end = mark + PDF_END.length;
  if (mark < 0 || NEXT_OBJECT.test(tail.toString('latin1', end)))
    return { at: Math.max(0, total - PDF_STUMP_BYTES), tag: LONG_TAG, isCut: true };
  return { at: start + end, tag: TAG };
}

const ZIP_ENTRY = Buffer.from('504b0102', 'hex');
const LONGEST_ENTRY_BYTES = 46 + 3 * 0xffff;
/** The ZIP64 locator, before the end record. */
const ZIP_LOCATOR = Buffer.from('504b0607', 'hex');
const ZIP_LOCATOR_BYTES = 20;

/**
 * Whether a ZIP reader could accept the file, whatever its end records say. An end record in the middle of the content,
 * such as that of a file attached to a PDF, does not count unless its comment reaches the end of the file.
 */
async function holdsZip(file: FileHandle, total: number, contentEnd: number): Promise<boolean> {
  const start = Math.max(0, total - ZIP_TAIL_BYTES - LONGEST_ENTRY_BYTES);
  const tail = await readAt(file, total - start, start);
  const firstEntry = tail.indexOf(ZIP_ENTRY);
  for (const { at, end } of endRecords(tail, total)) {
    if (end < total && at < contentEnd) continue;
    if (firstEntry >= 0 && start + firstEntry < at) return true;
    const locator = at - start - ZIP_LOCATOR_BYTES;
    if (locator >= 0 && tail.subarray(locator, locator + 4).equals(ZIP_LOCATOR)) return true;
  }
  return false;
}
