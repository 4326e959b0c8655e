/** A stream, or a storage with entries in it. */
export interface CompoundEntry {
  readonly name: string;
  readonly data?: Buffer;
  readonly entries?: readonly CompoundEntry[];
}

const SECTOR = 512;
const MINI = 64;
const MINI_CUTOFF = 4096;
const END = 0xfffffffe;
const NONE = 0xffffffff;

interface Node {
  readonly name: string;
  readonly type: number;
  readonly size: number;
  readonly start: number;
  right: number;
  child: number;
}

/** A compound file as Office programs write it: the container of .doc, .xls and .ppt. */
export function compoundFile(entries: readonly CompoundEntry[]): Buffer {
  const sectors = new Chains(SECTOR);
  const minis = new Chains(MINI);
  const nodes: Node[] = [];

  const add = ({ name, data, entries: inner }: CompoundEntry): number => {
    const chains = data && data.length < MINI_CUTOFF ? minis : sectors;
    const start = data ? chains.add(data) : 0;
    const node = { name, type: data ? 2 : 1, size: data?.length ?? 0, start, right: NONE, child: NONE };
    const id = nodes.push(node) - 1;
    if (inner) node.child = addAll(inner);
    return id;
  };
  /** A tree that leans to one side. */
  const addAll = (all: readonly CompoundEntry[]): number => {
    const ids = all.map(add);
    ids.forEach((id, i) => (nodes[id]!.right = ids[i + 1] ?? NONE));
    return ids[0] ?? NONE;
  };

  const root: Node = { name: 'Root Entry', type: 5, size: 0, start: END, right: NONE, child: NONE };
  nodes.push(root);
  root.child = addAll(entries);
  const miniStream = Buffer.concat(minis.blocks);
  const rootStart = miniStream.length > 0 ? sectors.add(miniStream) : END;
  const miniFat = minis.table.length > 0 ? sectors.add(table(minis.table)) : END;
  const directory = sectors.add(
    Buffer.concat([
      toBytes({ ...root, start: rootStart, size: miniStream.length }),
      ...nodes.slice(1).map(toBytes),
    ]),
  );
  const { fat, first } = sectors.close();
  return Buffer.concat([
    header({ directory, miniFat, fat: first, fats: fat.length / SECTOR }),
    ...sectors.blocks,
    fat,
  ]);
}

/** Sectors, each with the number of the next one. */
class Chains {
  readonly blocks: Buffer[] = [];
  readonly table: number[] = [];

  constructor(private readonly bytes: number) {}

  add(data: Buffer): number {
    const start = this.table.length;
    const count = Math.ceil(data.length / this.bytes);
    this.blocks.push(Buffer.concat([data, Buffer.alloc(count * this.bytes - data.length)]));
    for (let i = 1; i <= count; i++) this.table.push(i === count ? END : start + i);
    return start;
  }

  /** The table describes its own sectors, too. */
  close(): { fat: Buffer; first: number } {
    const first = this.table.length;
    let count = 1;
    while ((first + count) * 4 > count * this.bytes) count++;
    for (let i = 0; i < count; i++) this.table.push(0xfffffffd);
    const fat = Buffer.alloc(count * this.bytes, 0xff);
    table(this.table).copy(fat);
    return { fat, first };
  }
}

function table(numbers: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(numbers).buffer);
}

function toBytes({ name, type, size, start, right, child }: Node): Buffer {
  const entry = Buffer.alloc(128);
  entry.write(name, 'utf16le');
  entry.writeUInt16LE((name.length + 1) * 2, 64);
  entry.writeUInt8(type, 66);
  entry.writeUInt8(1, 67);
  [NONE, right, child].forEach((id, i) => entry.writeUInt32LE(id, 68 + i * 4));
  entry.writeUInt32LE(start, 116);
  entry.writeUInt32LE(size, 120);
  return entry;
}

function header({
  directory,
  miniFat,
  fat,
  fats,
}: Record<'directory' | 'miniFat' | 'fat' | 'fats', number>): Buffer {
  if (fats > 109) throw new Error('Too large for a list in the header');
  const bytes = Buffer.alloc(SECTOR);
  Buffer.from('d0cf11e0a1b11ae1', 'hex').copy(bytes);
  [0x3e, 3, 0xfffe, 9, 6].forEach((value, i) => bytes.writeUInt16LE(value, 24 + i * 2));
  [fats, directory, 0, MINI_CUTOFF, miniFat, 1, END, 0].forEach((value, i) =>
    bytes.writeUInt32LE(value, 44 + i * 4),
  );
  for (let i = 0; i < 109; i++) bytes.writeUInt32LE(i < fats ? fat + i : NONE, 76 + i * 4);
  return bytes;
}
