import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JsonFileStore } from '../src/json-file-store.js';
import { LocalStorageStore } from '../src/local-storage-store.js';
import { MemoryStore, type SessionStore, type StoredSession } from '../src/session-store.js';
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
  it('removes what has expired, and nothing of others', () => {
    const store = new LocalStorageStore();
    storage.setItem('theirs', 'x');
    storage.setItem('mediadock broken', 'x');
    store.set('old', session('1', -1));
    store.set('new', session('2'));
    expect(Object.keys(storage).sort()).toEqual(['full', 'mediadock new', 'theirs']);
  });

  it('forgets where storage is full or forbidden', () => {
    const store = new LocalStorageStore();
    storage.full = true;
    store.set('a', session('1'));
    expect(store.get('a')).toBeUndefined();
    Reflect.deleteProperty(globalThis, 'localStorage');
    store.set('a', session('1'));
    store.delete('a');
    expect(store.get('a')).toBeUndefined();
  });
});

describe('JsonFileStore', () => {
  it('loses nothing when many write in turn, and leaves no other file', async () => {
    const store = new JsonFileStore(join(dir, 'state.json'));
    const names = [...Array(50).keys()].map(String);
    await Promise.all(names.map(async (name) => await store.set(name, session(name))));
    expect(Object.keys(JSON.parse(await readFile(join(dir, 'state.json'), 'utf8')))).toEqual(names);
    expect(await readdir(dir)).toEqual(['state.json']);
  });

  it('removes what has expired, and begins anew with a broken file', async () => {
    const path = join(dir, 'state.json');
    await writeFile(path, '{"old":');
    const store = new JsonFileStore(path);
    await store.set('old', session('1', -1));
    await store.set('new', session('2'));
    expect(Object.keys(JSON.parse(await readFile(path, 'utf8')))).toEqual(['new']);
  });
});
