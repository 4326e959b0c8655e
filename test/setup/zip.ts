import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipEntry {
  readonly name: string;
  readonly data: Buffer | string;
  /** As it is, not deflated. */
  readonly stored?: boolean;
  readonly encrypted?: boolean;
  /** In the directory alone. */
  readonly extra?: Buffer;
  /** What the directory says it unpacks to, when that is a lie. */
  readonly unpacked?: number;
  /** Where the directory says it is, when that is a lie. */
  readonly at?: number;
}

/** A ZIP as programs write it, or as they should not. */
export function zip(entries: readonly ZipEntry[], lies: { count?: number; comment?: string } = {}): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const entry of entries) {
    const { local, central } = pack(entry, at);
    locals.push(local);
    directory.push(central);
    at += local.length;
  }
  return Buffer.concat([...locals, ...directory, end(directory, at, lies)]);
}

function pack(entry: ZipEntry, at: number): { local: Buffer; central: Buffer } {
  const { name, stored = false, encrypted = false, extra = Buffer.alloc(0) } = entry;
  const data = Buffer.from(entry.data as string);
  const packed = stored ? data : deflateRawSync(data, { level: 9 });
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0);
  common.writeUInt16LE(encrypted ? 1 : 0, 2);
  common.writeUInt16LE(stored ? 0 : 8, 4);
  common.writeUInt32LE(crc32(data), 10);
  common.writeUInt32LE(packed.length, 14);
  common.writeUInt32LE(entry.unpacked ?? data.length, 18);
  common.writeUInt16LE(Buffer.byteLength(name), 22);
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE(entry.at ?? at, 10);
  const listed = Buffer.from(common);
  listed.writeUInt16LE(extra.length, 24);
  return {
    local: Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed]),
    central: Buffer.concat([Buffer.from('PK\x01\x02\x14\0'), listed, rest, Buffer.from(name), extra]),
  };
}

function end(
  directory: readonly Buffer[],
  at: number,
  { count, comment = '' }: { count?: number; comment?: string },
) {
  const record = Buffer.alloc(18);
  record.writeUInt16LE(count ?? directory.length, 4);
  record.writeUInt16LE(count ?? directory.length, 6);
  record.writeUInt32LE(
    directory.reduce((sum, { length }) => sum + length, 0),
    8,
  );
  record.writeUInt32LE(at, 12);
  record.writeUInt16LE(comment.length, 16);
  return Buffer.concat([Buffer.from('PK\x05\x06'), record, Buffer.from(comment)]);
}
