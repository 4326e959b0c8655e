// @ts-check

/**
 * @typedef {object} Mutant a server that breaks one rule of durability
 * @property {string} name
 * @property {readonly import('./checkout.js').Patch[]} patches
 * @property {readonly string[]} layers that should notice, with their options
 * @property {boolean} [harmless] breaks nothing, so no layer may notice
 */

const SYNCED = '? constants.O_RDWR | constants.O_DSYNC :';
const CREATED = 'await allAfterSettled(writeDurably(file, bytes, 0), this.entries.add(name));';
const PUBLISHED = "this.disk.guard(() => this.rename(path, 'files', key));";
const APPEND = 'return await this.storage.appendPart(part.name, range.start - part.start, bytes);';
const COMMIT_NEXT = 'const committed = await this.commits.add(rowOf(';
const COMMIT_NEW = `const [committed] = waitForLock
      ? await this.commit(this.waitingStatement, [row])
      : [await this.commits.add(row)];`;
const RENAMED = 'await rename(path, this.path(area, name));';
const WRITE_BESIDE = 'const written = this.appendBytes(position, addition);';
const ANNOUNCE = 'const announced = this.move(changes, position, addition, crc32(addition.bytes));';
const FENCE = 'await storing(() => unlessAbsent(fence(this.path(tail.name))));';
const RETRACT = 'await announced.then(() => this.retract(position, addition)).catch(() => undefined);';
const COMPLETE = 'await this.sessions.complete(db, session, added, publication.deadline);';
const CLOSE_FAILED = `await file.close().catch(() => undefined);
      throw error;`;

const KILL = 'kill --runs 2';
const POWER = 'power --runs 4';
const RACE = 'race --runs 3';
const POSTGRES = 'postgres --runs 3';

/** @type {readonly Mutant[]} */
export const MUTANTS = [
  {
    name: 'no O_DSYNC',
    patches: [{ from: SYNCED, to: '? constants.O_RDWR :' }],
    layers: ['order', POWER],
  },
  {
    // On ext4 and XFS, the sync of a new file also writes its directory entry, so no power cut shows this there. POSIX
    // does not promise that, and other file systems do not do it.
    name: 'no directory sync after create',
    patches: [{ from: CREATED, to: 'await writeDurably(file, bytes, 0);' }],
    layers: ['order'],
  },
  {
    name: 'no directory sync after publish',
    patches: [{ from: `${RENAMED}\n    await syncDirectory(this.path(area, ''));`, to: RENAMED }],
    layers: ['order', POWER],
  },
  {
    name: 'no sync of a file put together',
    patches: [{ file: 'local-storage.ts', from: 'await file.sync();', to: '' }],
    layers: ['order'],
  },
  {
    name: 'append instead of position',
    patches: [{ from: SYNCED, to: '? constants.O_RDWR | constants.O_DSYNC | constants.O_APPEND :' }],
    layers: ['order', 'syscalls'],
  },
  {
    name: 'a new part counts before it is written',
    patches: [
      {
        from: CREATED,
        to: `const late = new Promise((go) => setTimeout(go, 20)).then(() => writeDurably(file, bytes, 0));
          late.catch(() => undefined);`,
      },
    ],
    layers: ['order', 'syscalls'],
  },
  {
    name: 'the next chunk counts before it is written',
    patches: [
      {
        from: APPEND,
        to: `const late = new Promise((go) => setTimeout(go, 20)).then(() =>
      this.storage.appendPart(part.name, range.start - part.start, bytes),
    );
    late.catch(() => undefined);
    return true;`,
      },
    ],
    layers: ['order', 'kill --runs 8'],
  },
  {
    name: 'no compare of the offset',
    patches: [{ from: 's."offset" = c.start AND', to: '' }],
    layers: ['order', RACE],
  },
  {
    name: 'no compare of the part',
    patches: [{ from: 'AND s.part = c.last_part', to: '' }],
    layers: ['order', RACE],
  },
  {
    name: 'no compare of the part and its tail',
    patches: [
      {
        from: '"offset" = $3 AND part = $6 OR tail_end = $3 AND tail_part = $6',
        to: 'coalesce(tail_end, "offset") = $3 AND $6::text IS NOT NULL',
      },
    ],
    layers: ['order', RACE],
  },
  {
    name: 'a part of another process is continued',
    patches: [
      {
        from: `isMine(session, position)
        ? this.store.append(position, addition)
        : this.store.begin(session, addition, waitForLock),`,
        to: `waitForLock && !isMine(session, position)
        ? this.store.begin(session, addition, waitForLock)
        : this.store.extentsOf(session).then((all) => this.store.append({ ...session, part: all.at(-1) }, addition)),`,
      },
    ],
    layers: ['order', RACE],
  },
  {
    // Simulates a disk that is slow now and then; otherwise chunks would be written in order.
    name: 'chunks of an upload at once',
    patches: [
      { from: 'before ? before.then(task, task) : task()', to: 'task()' },
      {
        from: WRITE_BESIDE,
        to: `const written = new Promise((go) => setTimeout(go, 10)).then(() => this.appendBytes(position, addition));`,
      },
    ],
    layers: [RACE],
  },
  {
    name: 'positions are kept after a failure',
    patches: [
      { from: 'else this.positions.delete(uploadId);', to: '' },
      {
        file: 'upload-writer.ts',
        from: 'if (!position) return undefined;',
        to: 'if (!position) return void this.positions.delete(uploadId);',
      },
    ],
    layers: ['errors'],
  },
  {
    name: 'failed write keeps its file open',
    patches: [{ from: CLOSE_FAILED, to: 'this.idle.set(path, file); throw error;' }],
    layers: ['errors'],
  },
  {
    name: 'failed write goes on',
    patches: [{ from: CLOSE_FAILED, to: '' }],
    layers: ['errors'],
  },
  {
    name: 'a part goes while its outcome is unknown',
    patches: [
      {
        from: COMMIT_NEW,
        to: `const thrown = async (error) => {
      await this.storage.remove('uploads', name);
      throw error;
    };
    const sent = waitForLock ? this.commit(this.waitingStatement, [row]) : this.commits.add(row).then((one) => [one]);
    const [committed] = await sent.catch(thrown);`,
      },
    ],
    layers: ['outcomes'],
  },
  {
    name: 'no deadline',
    patches: [
      { from: 'AND (c.deadline IS NULL OR now() < c.deadline)', to: '' },
      { from: 'AND now() < $16::timestamptz', to: 'AND $16::timestamptz IS NOT NULL' },
      { file: 'announced-tail.ts', from: 'AND now() < $7', to: 'AND $7::timestamptz IS NOT NULL' },
      { from: 'AND now() < $4`', to: 'AND $4::timestamptz IS NOT NULL`' },
    ],
    layers: ['sweep', 'order'],
  },
  {
    name: 'swept at any age',
    patches: [{ from: 'this.config.sweep.orphanAgeSeconds', to: '0' }],
    layers: ['sweep'],
  },
  {
    name: 'answer before commit',
    patches: [{ from: 'await commit(client);', to: 'commit(client).catch(() => undefined);' }],
    // Later statements wait behind the COMMIT on the same connection, so only a failing COMMIT makes a difference.
    layers: ['outcomes'],
  },
  {
    name: 'answer before the chunk counts',
    patches: [
      { from: COMMIT_NEXT, to: 'const moving = this.commits.add(rowOf(' },
      {
        from: 'return committed && positionAfter(position, addition, committed);\n  }\n\n  /**\n   * Begins',
        to: `moving.catch(() => undefined);
    return positionAfter(position, addition, { ...position, expiresAt: new Date() });
  }

  /**
   * Begins`,
      },
    ],
    layers: ['order', POSTGRES],
  },
  {
    name: 'asynchronous commit',
    patches: [{ from: "synchronous_commit: 'on'", to: "synchronous_commit: 'off'" }],
    layers: ['settings', POSTGRES],
  },
  {
    name: 'commits do not wait for the standby',
    patches: [{ from: "synchronous_commit: 'on'", to: "synchronous_commit: 'local'" }],
    layers: ['failover'],
  },
  {
    name: 'durable commits are not pinned',
    patches: [
      {
        from: 'JSON.stringify(settings)',
        to: 'JSON.stringify({ ...settings, synchronous_commit: undefined })',
      },
    ],
    layers: ['settings'],
  },
  {
    name: 'answer before the bytes of an announced chunk',
    patches: [
      {
        from: WRITE_BESIDE,
        to: `const kept = { ...addition, bytes: Buffer.from(addition.bytes) };
    const late = new Promise((go) => setTimeout(go, 20)).then(() => this.appendBytes(position, kept));
    late.catch(() => undefined);
    const written = Promise.resolve(true);`,
      },
    ],
    layers: ['order', 'syscalls'],
  },
  {
    name: 'answer before the announcement',
    patches: [
      {
        from: ANNOUNCE,
        to: `void ${ANNOUNCE.replace('const announced = ', '').replace(';', '')}.catch(() => undefined);
    const announced = Promise.resolve(position);`,
      },
    ],
    layers: ['order', POSTGRES],
  },
  {
    name: 'no fence',
    patches: [{ from: FENCE, to: '' }],
    layers: ['order', 'race --runs 1'],
  },
  {
    name: 'no look for the fence',
    patches: [{ from: ' || this.isFenced(position.part.name)', to: '' }],
    layers: ['order', 'race --runs 1'],
  },
  {
    name: 'a tail is believed',
    patches: [
      { from: 'bytes?.length === tail.end - offset && crc32(bytes) === tail.crc', to: 'bytes !== undefined' },
      {
        from: 'this.storage.createPart(id, bytes)',
        to: 'this.storage.createPart(id, Buffer.concat([bytes, Buffer.alloc(1)]))',
      },
    ],
    layers: ['syscalls', 'adoption'],
  },
  {
    name: 'a tail is forgotten',
    patches: [{ from: 'isWhole ? tail.end : offset, part', to: 'offset, part' }],
    layers: [KILL],
  },
  {
    name: 'the old part of a tail is trusted',
    patches: [
      { from: 'bytes && isWhole ? await this.storage.createPart(id, bytes) : tail.name', to: 'tail.name' },
    ],
    layers: ['sync', 'order'],
  },
  {
    name: 'a failed announcement is not taken back',
    patches: [{ from: RETRACT, to: ';' }],
    layers: ['errors'],
  },
  {
    name: 'buffer given back before write',
    patches: [
      {
        from: 'this.rates.assertByteRate(caller);',
        to: 'this.buffers.giveBack(chunk.bytes); this.rates.assertByteRate(caller);',
      },
    ],
    layers: [KILL, RACE],
  },
  {
    name: 'media row before publish',
    patches: [
      {
        from: PUBLISHED,
        to: `{
      const kept = this.path('uploads', nameFor(key));
      const late = () => {
        void new Promise((go) => setTimeout(go, 30))
          .then(() => this.disk.guard(() => this.rename(kept, 'files', key)))
          .catch(() => undefined);
      };
      return rename(path, kept).then(late);
    };`,
      },
    ],
    layers: ['order', 'syscalls'],
  },
  {
    name: 'parts removed before commit',
    patches: [
      {
        from: COMPLETE,
        to: `${COMPLETE}
      for (const { name } of await this.store.extentsOf(session)) await this.storage.remove('uploads', name);`,
      },
    ],
    layers: ['order', 'syscalls'],
  },
  {
    name: 'rows of parts go after the parts',
    patches: [
      {
        from: `const { rows } = await this.db.query<{ name: string }>(
      \`WITH cleaned AS`,
        to: `const { rows: named } = await this.db.query('SELECT name FROM upload_part WHERE upload_id = $1', [id]);
    for (const { name } of named) await this.storage.remove('uploads', name);
    const { rows } = await this.db.query<{ name: string }>(
      \`WITH cleaned AS`,
      },
    ],
    layers: ['order'],
  },
  {
    name: 'a completion commits what it did not read',
    patches: [{ from: 'AND "offset" = total AND part = $3 AND', to: 'AND $3::text IS NOT NULL AND' }],
    layers: ['order'],
  },
  {
    name: 'a tail is settled by whoever asks',
    patches: [
      {
        from: 'const { part, offset } = this.tailed.get(id) ?? {};',
        to: `const [row] = (
      await this.db.query('SELECT tail_part AS name, tail_end::float8 AS "end" FROM upload_session WHERE id = $1', [id])
    ).rows;
    const part = row?.name ? row : undefined;
    const offset = row?.end;`,
      },
      { from: 'if (!part || !this.tailed.delete(id)) return false;', to: 'if (!part) return false;' },
    ],
    layers: ['order', 'sync', KILL],
  },
  {
    name: 'announcing is switched off',
    harmless: true,
    patches: [{ from: 'useClass: AnnouncingUploadStore', to: 'useClass: UploadStore' }],
    layers: ['order', 'kill --runs 1', 'race --runs 1'],
  },
];
