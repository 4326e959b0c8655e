// @ts-check

/**
 * @typedef {object} Mutant a server that breaks one rule of durability
 * @property {string} name
 * @property {readonly { file: string, from: string, to: string }[]} patches of the built files; `from` must be there once
 * @property {readonly string[]} layers those that should notice, with their options
 */

const STORE = 'storage/file-store.js';
const OPEN = 'storage/open-uploads.js';
const UPLOADS = 'media/uploads/upload.service.js';
const WRITER = 'media/uploads/upload-writer.js';
const READER = 'media/uploads/upload-reader.js';
const SESSIONS = 'media/uploads/upload-sessions.js';
const COMPLETION = 'media/uploads/completion.service.js';
const DATABASE = 'database/database.js';

const SYNCED = '? constants.O_RDWR | constants.O_DSYNC :';
const SYNC_DIRECTORIES = `await syncDirectory(this.files);
        await syncDirectory(this.uploads);`;
const WRITE_FIRST = 'await this.store.write(created.file, 0, bytes);';
const WRITE_NEXT = 'await this.store.write(advanced.file, range.start, bytes);';
const WRITE_LEASED = 'await this.store.write(file, range.start, bytes);';
const WRITE_BESIDE = 'const written = this.store.write(file, range.start, bytes);';
const BOTH = 'const [advanced] = await settled(announced, written);';
const SETTLE = 'await this.sessions.settle(ownerId, uploadId, range)';
const KEEP = 'const receipt = await this.keep(caller, request);';
const CLOSE_FAILED = `await file.close().catch(() => undefined);
            throw error;`;
const ADOPT = 'await putInPlace();';
const COMPLETE =
  'await this.sessions.complete(db, session.id, { mediaId: id, uploadStays: bytes !== undefined });';

/** @param {string} work */
const committedFirst = (work) => `await db.query('COMMIT'); ${work} await db.query('BEGIN');`;

const NO_LOCK = { file: SESSIONS, from: ' FOR UPDATE OF s`', to: '`' };
const NO_COMPARISON = [
  { file: SESSIONS, from: '"offset" = $3 AND tail_end IS NULL AND', to: '$3::bigint >= 0 AND' },
  { file: SESSIONS, from: 'coalesce(tail_end, "offset") = $3 AND', to: '$3::bigint >= 0 AND' },
  { file: SESSIONS, from: 'AND coalesce(s.tail_end, s."offset") = m.before', to: '' },
];

const LOOK = {
  file: WRITER,
  from: 'return this.store.isUnfenced(file) ? advanced : undefined;',
  to: 'return advanced;',
};

const KILL = 'kill --runs 2';
const POWER = 'power --runs 4';
const RACE = 'race --runs 3';

/** @type {readonly Mutant[]} */
export const MUTANTS = [
  {
    name: 'no O_DSYNC',
    patches: [{ file: STORE, from: SYNCED, to: '? constants.O_RDWR :' }],
    layers: ['order', POWER],
  },
  {
    // The sync of a new file makes ext4 and XFS write its directory entry too, so no power cut shows this one there;
    // POSIX promises nothing of the kind, and other file systems do not.
    name: 'no directory sync after create',
    patches: [{ file: STORE, from: 'settled(written, syncDirectory(this.uploads))', to: 'written' }],
    layers: ['order'],
  },
  {
    name: 'no directory sync after rename',
    patches: [{ file: STORE, from: SYNC_DIRECTORIES, to: '' }],
    layers: ['order', POWER],
  },
  {
    name: 'append instead of offset',
    patches: [
      { file: STORE, from: SYNCED, to: '? constants.O_RDWR | constants.O_DSYNC | constants.O_APPEND :' },
    ],
    layers: ['order', 'syscalls'],
  },
  {
    // Chunks in series take their lock with the UPDATE; this one is of completions, cancellations and repeats.
    name: 'no lock',
    patches: [NO_LOCK],
    layers: ['order', RACE],
  },
  {
    name: 'no compare-and-set',
    patches: NO_COMPARISON,
    layers: ['order', RACE],
  },
  {
    name: 'no lock, no compare-and-set',
    patches: [NO_LOCK, ...NO_COMPARISON],
    layers: ['order', RACE],
  },
  {
    name: 'write without lock or lease',
    patches: [
      {
        file: WRITER,
        from: 'const lease = this.leases.take(uploadId);',
        to: `const { start: offset, total } = chunk.range;
            const lease = { ownerId, total, offset, file: uploadId };`,
      },
      { file: WRITER, from: '!fits || !this.store.isOpen(lease.file)', to: '!fits' },
    ],
    layers: ['order', RACE],
  },
  {
    name: 'a lease of two',
    patches: [
      { file: SESSIONS, from: 'AND coalesce(writer, $9) = $9', to: 'AND $9::text IS NOT NULL' },
      { file: SESSIONS, from: '= $3 AND writer = $9`', to: '= $3 AND $9::text IS NOT NULL`' },
      { file: SESSIONS, from: 'AND s.writer = $9', to: 'AND $9::text IS NOT NULL' },
    ],
    layers: [RACE],
  },
  {
    name: 'taken over without a copy',
    patches: [
      {
        file: WRITER,
        from: 'const copy = await this.store.copy(id, file, offset, tail);',
        to: 'const copy = { file, size: tail?.end ?? offset };',
      },
      { file: WRITER, from: 'await this.store.discard(left);', to: 'return;' },
    ],
    layers: [RACE, 'freeze --runs 6'],
  },
  {
    // On a disk that takes its time now and then: else what came first is written first.
    name: 'chunks of an upload at once',
    patches: [
      {
        file: WRITER,
        from: WRITE_BESIDE,
        to: WRITE_BESIDE.replace('= ', '= new Promise((go) => setTimeout(go, 10)).then(() => ').replace(
          ';',
          ');',
        ),
      },
      {
        file: WRITER,
        from: 'return await this.turns.take(uploadId, async () => {',
        to: 'return await (async () => {',
      },
      {
        file: WRITER,
        from: `return receipt ?? (await this.appendLocked(caller, chunk));
        });`,
        to: `return receipt ?? (await this.appendLocked(caller, chunk));
        })();`,
      },
    ],
    layers: [RACE],
  },
  {
    // Of one chunk among several: `order` sends one at a time.
    name: 'settled before written',
    patches: [
      { file: WRITER, from: WRITE_LEASED, to: '' },
      {
        file: WRITER,
        from: `return ${SETTLE};`,
        to: `const moved = ${SETTLE}; ${WRITE_LEASED} return moved;`,
      },
    ],
    layers: ['kill --runs 8'],
  },
  {
    name: 'answer before settled',
    patches: [
      {
        file: WRITER,
        from: `return ${SETTLE}`,
        to: `void ${SETTLE.replace('await ', '')}.catch(() => undefined);
            return { own: true, file, expiresAt: new Date(), mime: '' }`,
      },
    ],
    layers: ['postgres --runs 3'],
  },
  {
    name: 'answer before the bytes beside it',
    patches: [
      {
        file: WRITER,
        from: BOTH,
        to: 'written.catch(() => undefined); const advanced = await announced;',
      },
      LOOK,
    ],
    layers: ['order', 'syscalls'],
  },
  {
    name: 'answer before the announcement',
    patches: [
      {
        file: WRITER,
        from: BOTH,
        to: `announced.catch(() => undefined); await written;
            const advanced = { own: true, file, expiresAt: new Date(), mime: '' };`,
      },
    ],
    layers: ['order', 'postgres --runs 3'],
  },
  {
    name: 'a tail is believed',
    patches: [
      {
        file: STORE,
        from: "tail && (await withFile(from, 'r', (file) => readTail(file, size, tail)))",
        to: 'tail && Buffer.alloc(tail.end - size)',
      },
    ],
    layers: ['syscalls'],
  },
  {
    name: 'a tail is forgotten',
    patches: [{ file: STORE, from: 'bytes ? size + bytes.length : size', to: 'size' }],
    layers: [KILL],
  },
  {
    name: 'a tail is not told of',
    patches: [{ file: READER, from: 'kept ? tail.end : offset', to: 'offset' }],
    layers: [KILL],
  },
  {
    name: 'no look for the fence',
    patches: [LOOK],
    layers: ['order', 'race --runs 1'],
  },
  {
    name: 'no fence',
    patches: [{ file: STORE, from: 'await fence(from);', to: ';' }],
    layers: ['race --runs 1'],
  },
  {
    name: 'offset without BEGIN',
    patches: [{ file: DATABASE, from: "`current_setting('transaction_deferrable') = 'on'`", to: `'true'` }],
    layers: ['order', 'cancel'],
  },
  {
    name: 'commit before write',
    patches: [
      {
        file: UPLOADS,
        from: `async (_, [created]) => {
                ${WRITE_FIRST}`,
        to: `async (db, [created]) => { ${committedFirst(WRITE_FIRST)}`,
      },
      { file: WRITER, from: WRITE_NEXT, to: committedFirst(WRITE_NEXT) },
    ],
    layers: ['order', 'syscalls'],
  },
  {
    name: 'buffer given back before write',
    patches: [
      {
        file: UPLOADS,
        from: KEEP,
        to: `this.buffers.giveBack(request.bytes); ${KEEP}`,
      },
    ],
    layers: [KILL, RACE],
  },
  {
    name: 'failed write goes on',
    patches: [{ file: OPEN, from: CLOSE_FAILED, to: '' }],
    layers: ['errors'],
  },
  {
    name: 'failed write keeps its file open',
    patches: [{ file: OPEN, from: CLOSE_FAILED, to: 'await this.keep(path, file); throw error;' }],
    layers: ['errors'],
  },
  {
    name: 'media row before rename',
    patches: [
      { file: COMPLETION, from: ADOPT, to: '' },
      { file: COMPLETION, from: COMPLETE, to: `${COMPLETE} ${committedFirst(ADOPT)}` },
    ],
    layers: ['order', 'syscalls'],
  },
  {
    name: 'answer before commit',
    patches: [
      { file: DATABASE, from: 'await commit(client);', to: 'commit(client).catch(() => undefined);' },
    ],
    layers: ['order', 'postgres --runs 3'],
  },
  {
    name: 'asynchronous commit',
    patches: [
      { file: 'database/data-source.js', from: "'synchronous_commit=on'", to: "'synchronous_commit=off'" },
    ],
    layers: ['postgres --runs 3', POWER],
  },
];
