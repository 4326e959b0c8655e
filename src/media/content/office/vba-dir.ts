export interface Module {
  /** Lower case, of its stream. */
  readonly name: string;
  /** Where in the stream the source begins, after the p-code. */
  readonly sourceAt: number;
}

const ID = { codePage: 0x03, version: 0x09, modules: 0x0f, name: 0x1a, sourceAt: 0x31, unicodeName: 0x32 };
const DOCUMENT_MODULE = 0x22;
const END_OF_MODULE = 0x2b;
const STRINGS = [0x04, 0x05, 0x06, 0x0c, 0x16, 0x19, 0x1a, 0x1c, 0x32, 0x3c, 0x3d, 0x3e, 0x40, 0x47, 0x48];
/** References, by the number of libraries that they name. */
const REFERENCES: Readonly<Record<number, readonly number[]>> = { 1: [0x0d, 0x2f, 0x30, 0x33], 2: [0x0e] };
/** All others, by their size: Office may ignore the stated one. Those of modules with nothing but code are left out. */
const FIXED: Readonly<Record<number, readonly number[]>> = {
  0: [0x10, 0x22, 0x2b],
  2: [0x03, 0x0f, 0x13, 0x2c],
  4: [0x01, 0x02, 0x07, 0x08, 0x14, 0x1e, 0x31, 0x4a],
  6: [0x09],
};

/** Code pages whose charset is not called `windows-` plus their number. */
const CHARSETS = new Map([
  [932, 'shift_jis'],
  [936, 'gbk'],
  [949, 'euc-kr'],
  [950, 'big5'],
]);

/**
 * The modules that the stream `dir` of a VBA project lists ([MS-OVBA] 2.3.4.2).
 * @throws RangeError if it is damaged, has other modules than those of documents, or refers to a library elsewhere
 */
export function modulesIn(dir: Buffer): Module[] {
  const records = [...recordsOf(dir)];
  const begin = records.findIndex(({ id }) => id === ID.modules);
  const codePage = records.find(({ id }) => id === ID.codePage)?.data.readUInt16LE() ?? 0;
  const charset = new TextDecoder(CHARSETS.get(codePage) ?? `windows-${codePage}`);
  const modules: Module[] = [];
  let fields = new Map<number, Buffer>();
  for (const { id, data } of records.slice(begin)) {
    if (fields.has(id)) throw new RangeError('A module has a record twice');
    fields.set(id, data);
    if (id !== END_OF_MODULE) continue;
    modules.push(toModule(fields, charset));
    fields = new Map();
  }
  return modules;
}

function* recordsOf(dir: Buffer): Generator<{ id: number; data: Buffer }> {
  for (let at = 0; at < dir.length;) {
    const id = dir.readUInt16LE(at);
    const size = id === ID.version ? 6 : dir.readUInt32LE(at + 2);
    const data = dir.subarray(at + 6, at + 6 + size);
    if (data.length < size || !isKnown(id, data)) throw new RangeError('A record is damaged or unknown');
    yield { id, data };
    at += 6 + size;
  }
}

function isKnown(id: number, data: Buffer): boolean {
  if (STRINGS.includes(id) || FIXED[data.length]?.includes(id)) return true;
  const libraries = librariesIn(data.toString('latin1'));
  return areLocal(libraries) && (REFERENCES[libraries.length]?.includes(id) ?? false);
}

function toModule(fields: ReadonlyMap<number, Buffer>, charset: TextDecoder): Module {
  const [name, unicodeName] = [fields.get(ID.name), fields.get(ID.unicodeName)?.toString('utf16le')];
  const sourceAt = fields.get(ID.sourceAt)?.readUInt32LE();
  if (sourceAt === undefined || unicodeName === undefined || !fields.has(DOCUMENT_MODULE))
    throw new RangeError('A module has no kind, no name or no source');
  if (charset.decode(name) !== unicodeName) throw new RangeError('A module has two names');
  return { name: unicodeName.toLowerCase(), sourceAt };
}

export function librariesIn(text: string): string[] {
  return text.split('*\\').slice(1);
}

/** On a local disk, or the template of all documents. Others could be fetched from elsewhere. */
const LOCAL =
  /^(?:G\{[\dA-F-]{36}\}#[\dA-F.]{1,20}#[\dA-F]{1,8}#(?:[A-Z]:\\[^#:!/\0]{0,300})?#|C(?:\.\.\\)?Normal(?![\w.\\:/]))/i;

export function areLocal(libraries: readonly string[]): boolean {
  return libraries.every((library) => LOCAL.test(library));
}
