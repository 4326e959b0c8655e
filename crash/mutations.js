// @ts-check

/**
 * @typedef {object} Mutant a server that breaks one rule of durability
 * @property {string} name
 * @property {readonly { file: string, from: string, to: string }[]} patches of the built files; `from` must be there once
 * @property {readonly string[]} layers those that should notice, with their options
 */

const STORE = 'storage/file-store.js';
const UPLOADS = 'media/uploads/upload.service.js';
const SESSIONS = 'media/uploads/upload-sessions.js';
const COMPLETION = 'media/uploads/completion.service.js';

const SYNC_DIRECTORIES = `await syncDirectory(this.files);
            await syncDirectory(this.uploads);`;
const ADVANCE_AND_WRITE =
  'const [expiresAt] = await settled(this.sessions.advance(db, session, offset), this.store.write(session.id, session.offset, bytes.subarray(overlap)));';
const ADOPT = 'await this.store.adopt(session, session.total);';
const COMPLETE = 'await this.sessions.complete(db, session.id, id);';

const POWER = 'power --runs 4';
const RACE = 'race --runs 3';

/** @type {readonly Mutant[]} */
export const MUTANTS = [
  {
    name: 'no fdatasync',
    patches: [{ file: STORE, from: 'await file.datasync();', to: '' }],
    layers: ['order', POWER],
  },
  {
    // The sync of a new file makes ext4 and XFS write its directory entry too, so no power cut shows this one there;
    // POSIX promises nothing of the kind, and other file systems do not.
    name: 'no directory sync after create',
    patches: [
      {
        file: STORE,
        from: 'if (offset === 0)\n                    await syncDirectory(this.uploads);',
        to: '',
      },
    ],
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
      { file: STORE, from: ': constants.O_RDWR;\n', to: ': constants.O_RDWR | constants.O_APPEND;\n' },
    ],
    layers: ['order', 'syscalls'],
  },
  {
    name: 'no lock',
    patches: [{ file: SESSIONS, from: ' FOR UPDATE OF s`', to: '`' }],
    layers: ['order', RACE],
  },
  {
    // The row lock makes the comparison a second belt: alone it can only be missed by looking at the statement.
    name: 'no compare-and-set',
    patches: [
      {
        file: SESSIONS,
        from: 'WHERE id = $1 AND "offset" = $2 AND',
        to: 'WHERE id = $1 AND $2::bigint >= 0 AND',
      },
    ],
    layers: ['order'],
  },
  {
    name: 'no lock, no compare-and-set',
    patches: [
      { file: SESSIONS, from: ' FOR UPDATE OF s`', to: '`' },
      {
        file: SESSIONS,
        from: 'WHERE id = $1 AND "offset" = $2 AND',
        to: 'WHERE id = $1 AND $2::bigint >= 0 AND',
      },
    ],
    layers: [RACE],
  },
  {
    name: 'commit before write',
    patches: [
      {
        file: UPLOADS,
        from: ADVANCE_AND_WRITE,
        to: `const expiresAt = await this.sessions.advance(db, session, offset);
          await db.query('COMMIT');
          await this.store.write(session.id, session.offset, bytes.subarray(overlap));
          await db.query('BEGIN');`,
      },
    ],
    layers: ['order', 'syscalls'],
  },
  {
    name: 'media row before rename',
    patches: [
      { file: COMPLETION, from: ADOPT, to: '' },
      {
        file: COMPLETION,
        from: COMPLETE,
        to: `${COMPLETE} await db.query('COMMIT'); ${ADOPT} await db.query('BEGIN');`,
      },
    ],
    layers: ['order', 'syscalls'],
  },
  {
    name: 'answer before commit',
    patches: [
      {
        file: 'database/database.js',
        from: 'await commit(client);',
        to: 'commit(client).catch(() => undefined);',
      },
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
