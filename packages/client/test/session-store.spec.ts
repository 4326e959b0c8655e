import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JsonFileStore } from '../src/json-file-store.js';
import { LocalStorageStore } from '../src/local-storage-store.js';
import {
  MAX_REMEMBERED,
  MemoryStore,
  TolerantStore,
  type SessionStore,
  type StoredSession,
} from '../src/session-store.js';
import { FakeStorage } from './setup/local-storage.js';

const session = (id: string, hours = 1): StoredSession => ({
  uploadId: id,
  idempotencyKey: `key of ${id}`,
  expires: new Date(Date.now() + hours * 3_600_000).toISOString(),
});

let dir: string;
let storage: FakeStorage;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mediadock-store-'));
  storage = new FakeStorage();
  Object.defineProperty(globalThis, 'localStorage', { value: storage, configurable: true });
});
afterEach(async () => {
  Reflect.deleteProperty(globalThis, 'localStorage');
  await rm(dir, { recursive: true });
});

describe.each<[string, () => SessionStore]>([
  ['MemoryStore', () => new MemoryStore()],
  ['LocalStorageStore', () => new LocalStorageStore()],
  ['JsonFileStore', () => new JsonFileStore(join(dir, 'new', 'state.json'))],
])('%s', (_, create) => {
  it('keeps, replaces and forgets', async () => {
    const store = create();
    expect(await store.get('a')).toBeUndefined();
    const [a, b] = [session('1'), session('2')];
    await Promise.all([store.set('a', session('0')), store.set('a', a), store.set('b', b)]);
    expect([await store.get('a'), await store.get('b')]).toEqual([a, b]);
    await store.delete('a');
    await store.delete('a');
    expect([await store.get('a'), await store.get('b')]).toEqual([undefined, b]);
  });
});

describe('LocalStorageStore', () => {
  it('keeps the newest, whatever the clock says, and touches nothing of others', () => {
    const store = new LocalStorageStore();
    storage.setItem('theirs', 'x');
    storage.setItem('mediadock broken', 'x');
    for (let n = 0; n <= MAX_REMEMBERED; n++) store.set(`${n}`, session(`${n}`, n - 24 * 400));
    expect(['broken', '0', '1', `${MAX_REMEMBERED}`].map((key) => store.get(key)?.uploadId)).toEqual([
      undefined,
      undefined,
      '1',
      `${MAX_REMEMBERED}`,
    ]);
    expect(storage.getItem('theirs')).toBe('x');
  });

  it('fails no upload where storage is full or forbidden', async () => {
    const store = new TolerantStore(new LocalStorageStore());
    storage.full = true;
    await store.set('a', session('1'));
    expect(await store.get('a')).toBeUndefined();
    Reflect.deleteProperty(globalThis, 'localStorage');
    await store.set('a', session('1'));
    await store.delete('a');
    expect(await store.get('a')).toBeUndefined();
  });
});

describe('JsonFileStore', () => {
  const path = () => join(dir, 'state.json');
  const names = [...Array(50).keys()].map(String);
  const remembered = async () => Object.keys(JSON.parse(await readFile(path(), 'utf8'))).sort();

  it.each<[string, (store: JsonFileStore) => JsonFileStore]>([
    ['one store', (store) => store],
    ['many stores on one file', () => new JsonFileStore(path())],
  ])('loses nothing when %s write at once, and leaves no other file', async (_, storeOf) => {
    const store = new JsonFileStore(path());
    await Promise.all(names.map(async (name) => await storeOf(store).set(name, session(name))));
    expect(await remembered()).toEqual(names.toSorted());
    await Promise.all(names.map(async (name) => await storeOf(store).delete(name)));
    expect(await remembered()).toEqual([]);
    expect(await readdir(dir)).toEqual(['state.json']);
  });

  it('goes on after a process that died while it wrote', async () => {
    await writeFile(`${path()}.lock`, '');
    await Promise.all(
      names.slice(0, 5).map(async (name) => await new JsonFileStore(path()).set(name, session(name))),
    );
    expect(await remembered()).toEqual(['0', '1', '2', '3', '4']);
    expect(await readdir(dir)).toEqual(['state.json']);
  });

  it('keeps the newest, whatever the clock says, and begins anew with a broken file', async () => {
    await writeFile(path(), '{"old":');
    const store = new JsonFileStore(path());
    await store.set('a', session('1', -24 * 400));
    expect(await store.get('a')).toMatchObject({ uploadId: '1' });
    const many = Array.from({ length: MAX_REMEMBERED }, (_, n) => [`${n}`, session(`${n}`)]);
    await writeFile(path(), JSON.stringify({ a: await store.get('a'), ...Object.fromEntries(many) }));
    await store.set('b', session('2', 2));
    const kept = await remembered();
    expect([kept.length, kept.includes('a'), kept.includes('b')]).toEqual([MAX_REMEMBERED, false, true]);
  });

  it('does not replace a file that it cannot read', async () => {
    await mkdir(path());
    await expect(new JsonFileStore(path()).set('a', session('1'))).rejects.toMatchObject({ code: 'EISDIR' });
    expect(await readdir(dir)).toEqual(['state.json']);
  });
});
