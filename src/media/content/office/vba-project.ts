import { types } from 'node:util';
import type { CompoundFile, Entry } from './compound-file.js';
import { decompress } from './vba-compression.js';
import { areLocal, librariesIn, modulesIn } from './vba-dir.js';

/** Many times as much as empty projects have. */
const MAX_STREAM_BYTES = 128 * 1024;
const MAX_DIR_BYTES = 256 * 1024;
const MAX_SOURCE_BYTES = 16 * 1024;
const MAX_MODULES = 128;

/** Of Office 2000. Older modules have another structure. */
const FIRST_VERSION = 0x6b;

/**
 * Whether the VBA project of a document has no code. Office adds such a project once its editor was open. Modules must
 * have nothing but attributes, and no p-code, which Office may run in place of the source. Compiled code (`__SRP_0`)
 * and whatever cannot be read count as code.
 */
export async function isEmptyProject(file: CompoundFile): Promise<boolean> {
  try {
    return await isEmpty(file);
  } catch (error) {
    // Buffer throws it beyond its end, and TextDecoder for a charset that it does not know.
    if (types.isNativeError(error) && error.name === 'RangeError') return false;
    throw error;
  }
}

async function isEmpty(file: CompoundFile): Promise<boolean> {
  const [storage, another] = named(file, 'vba');
  if (!storage || another || named(file, '_vba_project').length !== 1) return false;
  const siblings = file.entriesOf(storage);
  const streams = new Map(siblings.map((entry) => [entry.name, entry]));
  const modules = modulesIn(decompress(await read(file, streams.get('dir')), MAX_DIR_BYTES));
  const names = new Set(['dir', '_vba_project', ...modules.map(({ name }) => name)]);
  // No stream is left over, and none has the name of another one.
  if (siblings.length !== names.size || names.size !== modules.length + 2) return false;
  if (modules.length === 0 || modules.length > MAX_MODULES) return false;
  if (!isHarmless(await read(file, streams.get('_vba_project')))) return false;
  for (const { name, sourceAt } of modules)
    if (!isEmptyModule(await read(file, streams.get(name)), sourceAt)) return false;
  return true;
}

function named(file: CompoundFile, wanted: string): Entry[] {
  return file.entries.filter(({ name }) => name === wanted);
}

async function read(file: CompoundFile, stream: Entry | undefined): Promise<Buffer> {
  if (!stream || stream.size > MAX_STREAM_BYTES) throw new RangeError('A stream is missing or too long');
  const blocks = [];
  for await (const block of file.bytesOf(stream)) blocks.push(block);
  return Buffer.concat(blocks);
}

/** `_VBA_PROJECT`, which repeats the references of `dir` in UTF-16. */
function isHarmless(cache: Buffer): boolean {
  const texts = [cache, cache.subarray(1)].map((bytes) => bytes.toString('utf16le'));
  return cache.readUInt16LE(2) >= FIRST_VERSION && texts.every((text) => areLocal(librariesIn(text)));
}

/** An offset in the module, and what is there if it has no code: a table of no lines. */
const PCODE = { offsetAt: 0x19, offsetFrom: 0x3c };
const NO_PCODE = Buffer.from('feca01000000ffffffff010108000000ffffffff78000000ffffffff0000', 'hex');
const ATTRIBUTE = /^(?:Attribute VB_\w{1,50} = (?:"[^"\r\n\0]*"|True|False))?$/;

function isEmptyModule(bytes: Buffer, sourceAt: number): boolean {
  const pcodeAt = bytes.readUInt32LE(PCODE.offsetAt) + PCODE.offsetFrom;
  const source = decompress(bytes.subarray(sourceAt), MAX_SOURCE_BYTES).toString('latin1');
  return (
    bytes.subarray(pcodeAt, sourceAt).equals(NO_PCODE) &&
    source.split('\r\n').every((line) => ATTRIBUTE.test(line))
  );
}
