import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { Fsck } from '../src/media/upkeep/fsck.js';
import { Sweeper } from '../src/media/upkeep/sweeper.js';
import { UploadSessions } from '../src/media/uploads/sessions/upload-sessions.js';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { pdf } from './setup/samples.js';
import { Client, md5 } from './setup/client.js';
import { failOnce, Hold } from './setup/hold.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

let app: TestApp;
let client: Client;
const file = pdf(1000);

beforeEach(async () => {
  app = await TestApp.start({ ORPHAN_AGE_SECONDS: '1' });
  client = await Client.of(app);
});
afterEach(() => app.stop());

const sweep = () => app.app.get(Sweeper).sweep();
const files = async () => ((await app.state()) as { files: string[][] }).files;

describe('the sweeper', () => {
  it('removes what has expired, and remembers it for a while', async () => {
    const id = (await client.slice(file, 0, 500)).body.upload_id;
    await app.sql(`UPDATE upload_session SET expires_at = now() - interval '1 second'`);
    expect(await sweep()).toMatchObject({ expired: 1, cleaned: 1, forgotten: 0 });
    expect(await files()).toEqual([[], []]);
    expect((await client.status(id)).status).toBe(410);
    await app.sql(
      `UPDATE upload_session SET cleaned_at = now() - interval '8 days', expires_at = now() - interval '8 days'`,
    );
    expect(await sweep()).toMatchObject({ forgotten: 1 });
    expect((await client.status(id)).status).toBe(404);
  });

  it('cleans and forgets all uploads that are due in one round, however many', async () => {
    await app.sql(
      `INSERT INTO upload_session (id, owner_id, total, "offset", part, state, expiry_slides, expires_at, cleaned_at)
       SELECT lpad(to_hex(n), 32, '0'), '7', 100, 50, '', 'cancelled', false, now() - interval '8 days',
         CASE WHEN n > 450 THEN now() - interval '8 days' END
       FROM generate_series(1, 900) AS n`,
    );
    expect(await sweep()).toMatchObject({ cleaned: 450, forgotten: 450 });
    expect(await sweep()).toMatchObject({ cleaned: 0, forgotten: 0 });
  });

  it('cleans the others if an upload cannot be cleaned, and ends the round if none can', async () => {
    await app.sql(
      `INSERT INTO upload_session (id, owner_id, total, "offset", part, state, expiry_slides, expires_at)
       SELECT lpad(to_hex(n), 32, '0'), '7', 100, 50, '', 'cancelled', false, now() FROM generate_series(1, 450) AS n`,
    );
    const sessions = app.app.get(UploadSessions);
    const clean = jest.spyOn(sessions, 'clean').mockRejectedValue(new Error('the store is away'));
    expect(await sweep()).toMatchObject({ cleaned: 0 });
    expect(clean).toHaveBeenCalledTimes(200);
    clean.mockRestore();
    failOnce(sessions, 'clean', new Error('a bad sector'), 'before');
    expect(await sweep()).toMatchObject({ cleaned: 450 });
  });

  it('finishes a cancellation that a crash cut short', async () => {
    const id = (await client.slice(file, 0, 500)).body.upload_id;
    await app.sql(`UPDATE upload_session SET state = 'cancelled' WHERE id = $1`, [id]);
    expect(await sweep()).toMatchObject({ cleaned: 1 });
    expect(await files()).toEqual([[], []]);
  });

  it('removes old files that no row knows, and no others', async () => {
    const open = (await client.slice(file, 0, 500)).body.upload_id;
    const done = await client.upload(file);
    const media = (await client.complete(done, md5(file))).body;
    const stray = ['uploads', 'files'].map((name) => join(app.config.dataDir, name, 'f'.repeat(32)));
    for (const path of stray) await writeFile(path, 'stray');
    expect(await sweep()).toMatchObject({ orphans: 0 });
    // Old enough means: the last change of the inode, which no call can set back. The limit moves instead.
    Object.assign(app.config.sweep, { orphanAgeSeconds: -1 });
    expect(await sweep()).toMatchObject({ orphans: 2 });
    expect((await files()).map((names) => names.length)).toEqual([1, 1]);
    expect((await client.slice(file, 500, 1000, open)).status).toBe(201);
    expect((await fetch(media.url)).status).toBe(200);
    expect(await readdir(join(app.config.dataDir, 'quarantine'))).toEqual(['f'.repeat(32)]);
  });

  it('keeps files that a database of an older dump does not know for a week, and fsck puts them back', async () => {
    const media = (await client.complete(await client.upload(file), md5(file))).body;
    // As if there were no such row: it names another file.
    await app.sql(`UPDATE media SET key = reverse(key)`);
    Object.assign(app.config.sweep, { orphanAgeSeconds: -1 });
    expect(await sweep()).toMatchObject({ orphans: 1 });
    expect(await sweep()).toMatchObject({ orphans: 0 });
    expect((await fetch(media.url)).status).toBe(404);
    await app.sql(`UPDATE media SET key = reverse(key)`);
    const findings = [];
    for await (const { fault, detail, fix } of app.app.get(Fsck).check())
      findings.push(fault, detail, await fix());
    expect(findings).toEqual(['media-missing', 'the file is in quarantine/', undefined]);
    expect(Buffer.from(await (await fetch(media.url)).arrayBuffer()).equals(file)).toBe(true);
  });

  it('removes from quarantine what is older than a week, but nothing that fsck found damaged', async () => {
    const names = ['a'.repeat(32), `${'b'.repeat(32)}.damaged`];
    const quarantine = join(app.config.dataDir, 'quarantine');
    for (const name of names) await writeFile(join(quarantine, name), 'set aside');
    expect(await sweep()).toMatchObject({ orphans: 0 });
    const now = Date.now();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(now + 7 * 86_400_000 + 60_000);
    expect(await sweep().finally(() => clock.mockRestore())).toMatchObject({ orphans: 1 });
    expect(await readdir(quarantine)).toEqual([names[1]]);
  });

  it('never touches a complete upload, however old', async () => {
    const id = await client.upload(file);
    const media = (await client.complete(id, md5(file))).body;
    await app.sql(
      `UPDATE upload_session SET (expires_at, cleaned_at) = (SELECT past, past FROM (SELECT now() - interval '1 year' AS past) p)`,
    );
    Object.assign(app.config.sweep, { orphanAgeSeconds: -1 });
    expect(await sweep()).toEqual({ expired: 0, cleaned: 0, forgotten: 1, orphans: 0 });
    expect(Buffer.from(await (await fetch(media.url)).arrayBuffer()).equals(file)).toBe(true);
  });

  it('works on two servers at once', async () => {
    const twin = await app.twin();
    for (let i = 0; i < 5; i++) await client.slice(file, 0, 500);
    await app.sql(`UPDATE upload_session SET expires_at = now() - interval '1 second'`);
    const rounds = await Promise.all([sweep(), twin.app.get(Sweeper).sweep()]);
    expect(rounds[0].expired + rounds[1].expired).toBe(5);
    expect(await files()).toEqual([[], []]);
  });
});

describe('a sweeper that is to stop', () => {
  const stop = () => app.app.get(Sweeper).onModuleDestroy();

  it('does not wait for the end of a listing that has no orphans', async () => {
    let batches = 0;
    async function* listOld(): AsyncGenerator<string[]> {
      for (; batches < 2000; batches++) yield await Promise.resolve(['known.damaged']);
    }
    Object.assign(app.app.get(BlobStorage), { listOld });
    const sweeping = sweep();
    await until(
      () => Promise.resolve(batches),
      (count) => count > 0,
    );
    await stop();
    expect(await sweeping).toMatchObject({ orphans: 0 });
    expect(batches).toBeLessThan(2000);
  });

  it('does not clean one more upload', async () => {
    for (let i = 0; i < 3; i++) await client.slice(file, 0, 500);
    await app.sql(`UPDATE upload_session SET state = 'cancelled'`);
    const cleaning = Hold.on(app.app.get(UploadSessions), 'clean', 'before');
    const sweeping = sweep();
    await cleaning.reached;
    await stop();
    cleaning.release();
    expect(await sweeping).toMatchObject({ cleaned: 1, orphans: 0 });
  });
});
