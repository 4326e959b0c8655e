import type { CompoundEntry } from './compound.js';
import { noise } from './samples.js';

/** A module of a VBA project, which is one of a document without code unless something else is said. */
export interface Module {
  readonly name: string;
  readonly source?: string;
  /** Table of p-code lines, after the performance cache. */
  readonly pcode?: string;
  readonly isDocument?: boolean;
  /** Does not fit the other one. */
  readonly mbcsName?: string;
}

export interface Project {
  readonly modules?: readonly Module[];
  readonly references?: readonly Buffer[];
  readonly version?: number;
  readonly codePage?: number;
  /** A path in the stream `_VBA_PROJECT`. */
  readonly cachedLibrary?: string;
  /** More streams of the storage. */
  readonly more?: readonly CompoundEntry[];
}

export const SHEET = { name: 'Sheet1' };
export const NO_PCODE = 'feca01000000ffffffff010108000000ffffffff78000000ffffffff0000';

/** The storage of a VBA project, as Excel and Word write it ([MS-OVBA]). */
export function vbaProject(name: string, project: Project = {}): CompoundEntry {
  const { modules = [SHEET], references = [registered('C:\\Windows\\stdole2.tlb')], more = [] } = project;
  const { version = 0x79, codePage = 1252, cachedLibrary = 'C:\\VBE6.DLL' } = project;
  const dir = Buffer.concat([
    record(0x01, u32(1)),
    record(0x03, u16(codePage)),
    record(0x04, Buffer.from('VBAProject')),
    Buffer.from('090004000000010000000200', 'hex'),
    ...references,
    record(0x0f, u16(modules.length)),
    record(0x13, u16(1)),
    ...modules.flatMap(listed),
    record(0x10),
  ]);
  const cache = Buffer.concat([
    Buffer.from('cc61', 'hex'),
    u16(version),
    Buffer.from(library(cachedLibrary), 'utf16le'),
    Buffer.alloc(8),
  ]);
  const streams = [
    { name: 'dir', data: compressed(dir) },
    { name: '_VBA_PROJECT', data: cache },
    ...modules.map((module) => ({ name: module.name, data: stream(module) })),
  ];
  return { name, entries: [{ name: 'VBA', entries: [...streams, ...more] }] };
}

/** A reference to a type library. */
export function registered(path: string): Buffer {
  const libid = Buffer.from(library(path));
  return record(0x0d, Buffer.concat([u32(libid.length), libid, Buffer.alloc(6)]));
}

/** A reference to another project. */
export function toProject(path: string): Buffer {
  const libid = Buffer.concat([u32(path.length + 3), Buffer.from(`*\\C${path}`)]);
  return record(0x0e, Buffer.concat([libid, libid, Buffer.alloc(6)]));
}

function library(path: string): string {
  return `*\\G{00020430-0000-0000-C000-000000000046}#2.0#0#${path}#OLE Automation`;
}

const CACHE = noise(700, 'cache');

function listed({ name, mbcsName = name, isDocument = true }: Module): Buffer[] {
  return [
    record(0x19, Buffer.from(mbcsName, 'latin1')),
    record(0x1a, Buffer.from(mbcsName, 'latin1')),
    record(0x32, Buffer.from(name, 'utf16le')),
    record(0x31, u32(CACHE.length + NO_PCODE.length / 2)),
    record(0x2c, u16(0xb6a4)),
    record(isDocument ? 0x22 : 0x21),
    record(0x2b),
  ];
}

function stream({ name, source = '', pcode = NO_PCODE }: Module): Buffer {
  const cache = Buffer.from(CACHE);
  cache.writeUInt32LE(CACHE.length - 0x3c, 0x19);
  const attributes = `Attribute VB_Name = "${name}"\r\nAttribute VB_Exposed = True\r\n`;
  return Buffer.concat([cache, Buffer.from(pcode, 'hex'), compressed(Buffer.from(attributes + source))]);
}

function record(id: number, data: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([u16(id), u32(data.length), data]);
}

const CHUNK_BYTES = 3600;

/** Without copies. */
function compressed(data: Buffer): Buffer {
  const count = Math.ceil(data.length / CHUNK_BYTES);
  const chunks = Array.from({ length: count }, (_, i) =>
    chunk(data.subarray(i * CHUNK_BYTES).subarray(0, CHUNK_BYTES)),
  );
  return Buffer.concat([Buffer.from([1]), ...chunks]);
}

function chunk(data: Buffer): Buffer {
  const groups = Array.from({ length: Math.ceil(data.length / 8) }, (_, i) => [
    Buffer.alloc(1),
    data.subarray(i * 8, i * 8 + 8),
  ]);
  const tokens = Buffer.concat(groups.flat());
  return Buffer.concat([u16(0xb000 | (tokens.length - 1)), tokens]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
