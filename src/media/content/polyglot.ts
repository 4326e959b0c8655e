import type { FileHandle } from 'node:fs/promises';
import { readAt } from '../../storage/local/files.js';
import { endRecord, pointsToDirectory, ZIP_TAIL_BYTES } from './zip-directory.js';
import { refused, type Refused } from './verdict.js';

/** A PDF that ends does so in its last bytes. */
const PDF_TAIL_BYTES = 1024 * 1024;
/** Of one that does not, so much is taken for what might follow it. */
const PDF_STUMP_BYTES = 64 * 1024;
const PDF_END = '%%EOF';

/** Anything like a tag. */
const TAG = /<(?:!--|!doctype|\?php|\?=|%|\/?[a-z][a-z0-9]*[\s/>])/i;
/** Those that no random bytes will ever be. */
const LONG_TAG = /<(?:!doctype|\?php|script|iframe|(?:html|body)[\s>])/i;

/**
 * What else a file is, beside an image, a PDF or a text: the archive, page or script behind the end of it. Phones put
 * videos and second pictures behind the end of a JPEG, so there only what could do harm is refused.
 * @param imageEnd where the image ends, for images
 */
export async function stowaway(
  file: FileHandle,
  { mime, total, imageEnd }: { mime: string; total: number; imageEnd: number | undefined },
): Promise<Refused | undefined> {
  const rest: Rest =
    mime === 'application/pdf' ? await restOfPdf(file, total) : { at: imageEnd ?? total, tag: LONG_TAG };
  if (await holdsZip(file, total, rest.at))
    return refused('application/zip', 'An archive is hidden in the file');
  const bytes = await readAt(file, total - rest.at, rest.at);
  const [tag] = rest.tag.exec(bytes.toString('latin1')) ?? [];
  if (tag !== undefined)
    return refused(
      tag.startsWith('<?') ? 'application/x-httpd-php' : 'text/html',
      rest.isCut ? 'The PDF is cut short: its end is missing' : 'Markup is hidden in the file',
    );
  if (mime !== 'image/jpeg' && mime !== 'application/pdf' && !bytes.equals(Buffer.alloc(bytes.length)))
    return refused(null, 'There are bytes after the end of the image');
  return undefined;
}

/** What may not have tags in it. */
interface Rest {
  readonly at: number;
  readonly tag: RegExp;
  readonly isCut?: boolean;
}

/** After its last end mark, a PDF has no tags at all; one without a mark, cut short or not, may have any bytes. */
async function restOfPdf(file: FileHandle, total: number): Promise<Rest> {
  const start = Math.max(0, total - PDF_TAIL_BYTES);
  const mark = (await readAt(file, total - start, start)).lastIndexOf(PDF_END);
  return mark < 0
    ? { at: Math.max(0, total - PDF_STUMP_BYTES), tag: LONG_TAG, isCut: true }
    : { at: start + mark + PDF_END.length, tag: TAG };
}

/**
 * Whether readers of ZIPs would take the file for one. An end record in the middle of the content, say of a file that
 * is attached to a PDF, is none of theirs, unless its comment reaches to the end of the file.
 */
async function holdsZip(file: FileHandle, total: number, contentEnd: number): Promise<boolean> {
  const start = Math.max(0, total - ZIP_TAIL_BYTES);
  const record = endRecord(await readAt(file, total - start, start), total);
  if (!record || (record.end !== total && record.at < contentEnd)) return false;
  return await pointsToDirectory(file, record);
}
