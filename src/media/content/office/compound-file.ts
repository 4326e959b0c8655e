/** Reads bytes of a file; fewer only at its end. */
export type Read = (position: number, length: number) => Promise<Buffer>;

/** An entry of a compound file: a stream has bytes, a storage has entries. */
export interface Entry {
  /** Lower case, as Office compares them. */
  readonly name: string;
  readonly size: number;
  readonly start: number;
  /** The number of one of its entries. */
  readonly child: number;
}

/** A compound file that is truncated or inconsistent. */
export class BadCompoundFile extends Error {}

const SIGNATURE = Buffer.from('d0cf11e0a1b11ae1', 'hex');
const HEADER_BYTES = 512;
const HEADER_FAT_ENTRIES = 109;
const ENTRY_BYTES = 128;
/** Bytes of a sector of short streams. */
const MINI = 64;
const BLOCK_BYTES = 64 * 1024;
const NONE = 0xffffffff;
const LAST_SECTOR = 0xfffffffa;
/** Thousands of times as many as documents have. */
const MAX_DIRECTORY_BYTES = 4 * 1024 * 1024;

export function isCompoundFile(head: Buffer): boolean {
  return head.subarray(0, SIGNATURE.length).equals(SIGNATURE);
}

/**
 * Compound File Binary ([MS-CFB]): the container of the old Office formats, and of installers, mails and more. Reads
 * sectors on demand, with limits against the tables of hostile files.
 */
export class CompoundFile {
  private constructor(
    /** The entries of the root storage. */
    readonly root: ReadonlyMap<string, Entry>,
    /** Those of all storages. */
    readonly entries: readonly Node[],
    private readonly sectors: Sectors,
    private readonly mini: Sectors,
    private readonly miniCutoff: number,
  ) {}

  /** @throws BadCompoundFile */
  static async open(read: Read, total: number): Promise<CompoundFile> {
    const header = await read(0, HEADER_BYTES);
    if (header.length < HEADER_BYTES) throw new BadCompoundFile();
    const bytes = 2 ** header.readUInt16LE(30);
    if (bytes !== 512 && bytes !== 4096) throw new BadCompoundFile();
    const at = (sector: number) => (sector + 1) * bytes;
    const table = await readFat(header, { bytes, at, read, total });
    const sectors = new Sectors(table, bytes, (sector, length) => read(at(sector), length));
    const directory = await sectors.bytesOf(header.readUInt32LE(48), MAX_DIRECTORY_BYTES);
    const entries = toEntries(directory);
    const [root] = entries;
    if (!root) throw new BadCompoundFile();
    const siblings = new Map(siblingsOf(entries, root.child).map((entry) => [entry.name, entry]));
    const hasMini = header.readUInt32LE(64) > 0;
    const miniTable = await sectors.bytesOf(hasMini ? header.readUInt32LE(60) : NONE, total);
    const miniStream = hasMini ? sectors.chain(root.start) : [];
    const mini = new Sectors(toTable(miniTable), MINI, async (sector, length) => {
      const holder = miniStream[Math.floor((sector * MINI) / bytes)] ?? NONE;
      return await read(at(holder) + ((sector * MINI) % bytes), length);
    });
    return new CompoundFile(siblings, entries, sectors, mini, header.readUInt32LE(56));
  }

  entriesOf(storage: Entry): readonly Entry[] {
    return siblingsOf(this.entries, storage.child);
  }

  /** The bytes of a stream, block by block. @throws BadCompoundFile */
  async *bytesOf({ start, size }: Entry): AsyncGenerator<Buffer> {
    let left = size;
    for await (const block of (size < this.miniCutoff ? this.mini : this.sectors).blocks(start)) {
      yield block.subarray(0, left);
      left -= block.length;
      if (left <= 0) return;
    }
  }
}

/** Sectors of one size, and the table that says which one follows which. */
class Sectors {
  constructor(
    private readonly table: Uint32Array,
    private readonly bytes: number,
    private readonly readAt: (sector: number, length: number) => Promise<Buffer>,
  ) {}

  chain(start: number): number[] {
    const chain = [];
    for (let sector = start; sector < LAST_SECTOR;) {
      const next = this.table[sector];
      if (next === undefined || chain.push(sector) > this.table.length) throw new BadCompoundFile();
      sector = next;
    }
    return chain;
  }

  /** Reads adjacent sectors at once, except for those of short streams, which may not be adjacent in the file. */
  async *blocks(start: number): AsyncGenerator<Buffer> {
    const max = this.bytes === MINI ? 1 : BLOCK_BYTES / this.bytes;
    const chain = this.chain(start);
    for (let from = 0, to = 1; from < chain.length; from = to++) {
      while (chain[to] === (chain[to - 1] ?? NONE) + 1 && to - from < max) to++;
      yield await this.readAt(chain[from] ?? NONE, (to - from) * this.bytes);
    }
  }

  async bytesOf(start: number, maxBytes: number): Promise<Buffer> {
    const blocks = [];
    let length = 0;
    for await (const block of this.blocks(start)) {
      length += block.length;
      if (length > maxBytes) throw new BadCompoundFile();
      blocks.push(block);
    }
    return Buffer.concat(blocks);
  }
}

/** The table of sectors, whose own sectors the header lists, and a chain of lists where there are more than 109. */
async function readFat(
  header: Buffer,
  { bytes, at, read, total }: { bytes: number; at: (sector: number) => number; read: Read; total: number },
): Promise<Uint32Array> {
  const sectorCount = Math.ceil(total / bytes);
  const list = [...toTable(header.subarray(HEADER_BYTES - HEADER_FAT_ENTRIES * 4))];
  for (let next = header.readUInt32LE(68); next < LAST_SECTOR;) {
    const more = toTable(await read(at(next), bytes));
    list.push(...more.subarray(0, -1));
    if (list.length > sectorCount + bytes) throw new BadCompoundFile();
    next = more.at(-1) ?? NONE;
  }
  const sectors = list.filter((sector) => sector < sectorCount);
  const tables = [];
  for (const sector of sectors.slice(0, Math.ceil((sectorCount * 4) / bytes) + 1))
    tables.push(await read(at(sector), bytes));
  return toTable(Buffer.concat(tables));
}

function toTable(bytes: Buffer): Uint32Array {
  return Uint32Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => bytes.readUInt32LE(i * 4));
}

interface Node extends Entry {
  readonly left: number;
  readonly right: number;
}

function toEntries(directory: Buffer): Node[] {
  return Array.from({ length: Math.floor(directory.length / ENTRY_BYTES) }, (_, i) => {
    const entry = directory.subarray(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES);
    const isUsed = entry.readUInt8(66) !== 0;
    const nameBytes = isUsed ? Math.min(Math.max(entry.readUInt16LE(64) - 2, 0), 62) : 0;
    return {
      name: entry.toString('utf16le', 0, nameBytes).toLowerCase(),
      left: entry.readUInt32LE(68),
      right: entry.readUInt32LE(72),
      child: entry.readUInt32LE(76),
      start: entry.readUInt32LE(116),
      size: entry.readUInt32LE(120),
    };
  });
}

/** The entries of a storage form a tree. */
function siblingsOf(entries: readonly Node[], top: number): Node[] {
  const found = new Set<Node>();
  const open = [top];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const entry = entries[id];
    if (!entry || found.has(entry)) continue;
    found.add(entry);
    open.push(entry.left, entry.right);
  }
  return [...found];
}
