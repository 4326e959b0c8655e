import { BadCompoundFile, CompoundFile, type Entry, type Read } from './compound-file.js';
import { accepted, refused, WITH_MACROS, WITH_PASSWORD, type Accepted, type Refused } from '../verdict.js';
import { isEmptyProject } from './vba-project.js';

const WORD = 'application/msword';
const EXCEL = 'application/vnd.ms-excel';
const POWERPOINT = 'application/vnd.ms-powerpoint';

export const OLD_OFFICE = [WORD, EXCEL, POWERPOINT];

/** The stream of the root storage with the document of each program. Streams of other storages are embedded objects. */
const DOCUMENTS: readonly {
  name: string;
  mime: string;
  hasMacros?: (records: Cursor) => Promise<boolean>;
}[] = [
  { name: 'workbook', mime: EXCEL, hasMacros: hasMacroSheet },
  { name: 'book', mime: EXCEL, hasMacros: hasMacroSheet },
  { name: 'worddocument', mime: WORD },
  { name: 'powerpoint document', mime: POWERPOINT, hasMacros: hasVbaInfo },
  // PowerPoint 95.
  { name: 'pp40', mime: POWERPOINT },
];

/** Identifies a compound file: a document of an old Office program without macros, or refused. */
export async function oldOfficeType(read: Read, total: number): Promise<Accepted | Refused> {
  try {
    return await typeOf(await CompoundFile.open(read, total));
  } catch (error) {
    if (error instanceof BadCompoundFile)
      return refused('application/x-cfb', 'The file is damaged or truncated');
    throw error;
  }
}

async function typeOf(file: CompoundFile): Promise<Accepted | Refused> {
  if (file.root.has('encryptedpackage')) return refused('application/x-cfb', WITH_PASSWORD);
  const found = DOCUMENTS.find(({ name }) => file.root.has(name));
  const stream = found && file.root.get(found.name);
  if (!stream) return refused('application/x-cfb', 'The file is not a Word, Excel or PowerPoint document');
  const hasProject = file.entries.some(({ name }) => name === '_vba_project');
  const hasMacros =
    (hasProject && !(await isEmptyProject(file))) || (await found.hasMacros?.(new Cursor(file, stream)));
  return hasMacros ? refused(found.mime, WITH_MACROS) : accepted(found.mime);
}

const BIFF = { sheet: 0x85, password: 0x2f, end: 0x0a };
/** Macro sheets of Excel 4, and modules of Excel 5. */
const MACRO_SHEETS = [1, 6];

/** The first records of a workbook list its sheets ([MS-XLS] 2.4.28). With a password, they cannot be read. */
async function hasMacroSheet(records: Cursor): Promise<boolean> {
  for (let head = await records.take(4); head; head = await records.take(4)) {
    const [type, length] = [head.readUInt16LE(0), head.readUInt16LE(2)];
    if (type === BIFF.end || type === BIFF.password) return false;
    const body = await records.take(length);
    if (type === BIFF.sheet && MACRO_SHEETS.includes(body?.[5] ?? 0)) return true;
  }
  return false;
}

const PPT = { document: 0x3e8, list: 0x7d0, vbaInfo: 0x3ff, vbaInfoAtom: 0x400 };

/** The project itself is compressed, but the document says that there is one ([MS-PPT] 2.4.10). */
async function hasVbaInfo(records: Cursor): Promise<boolean> {
  for (let head = await records.take(8); head; head = await records.take(8)) {
    const [type, length] = [head.readUInt16LE(2), head.readUInt32LE(4)];
    if (type === PPT.document || type === PPT.list || type === PPT.vbaInfo) continue;
    const body = await records.take(length);
    if (type === PPT.vbaInfoAtom && body && body.length >= 8 && body.readUInt32LE(4) !== 0) return true;
  }
  return false;
}

/** Many times as many as documents have. */
const MAX_RECORDS = 100_000;
const HELD_BYTES = 64;

/** Reads a stream record by record. */
class Cursor {
  private readonly blocks: AsyncGenerator<Buffer>;
  private block = Buffer.alloc(0);
  private taken = 0;

  constructor(file: CompoundFile, stream: Entry) {
    this.blocks = file.bytesOf(stream);
  }

  /** The first of the next `length` bytes, up to 64; undefined at the end. @throws BadCompoundFile */
  async take(length: number): Promise<Buffer | undefined> {
    if (++this.taken > MAX_RECORDS) throw new BadCompoundFile();
    if (length <= this.block.length) return this.cut(length);
    const parts = [];
    for (let left = length; left > 0;) {
      if (this.block.length === 0 && !(await this.next())) return undefined;
      const length = Math.min(left, this.block.length);
      parts.push(this.cut(length));
      left -= length;
    }
    return Buffer.concat(parts).subarray(0, HELD_BYTES);
  }

  private cut(length: number): Buffer {
    const first = this.block.subarray(0, Math.min(length, HELD_BYTES));
    this.block = this.block.subarray(length);
    return first;
  }

  private async next(): Promise<boolean> {
    const { value, done } = await this.blocks.next();
    this.block = value ?? Buffer.alloc(0);
    return !done;
  }
}
