import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

describe('the build', () => {
  let checkout: string;

  beforeEach(async () => {
    checkout = await mkdtemp(join(tmpdir(), 'mediadock-build-'));
    for (const name of ['.swcrc', 'scripts/build.js']) await cp(name, join(checkout, name));
    await symlink(join(process.cwd(), 'node_modules'), join(checkout, 'node_modules'));
    await write('package-lock.json', '{}');
    await write('src/main.ts', 'export const n: number = 1;\n');
    await write('src/main.spec.ts', 'test;\n');
    await write('src/deep/a.worker.js', 'export  default 1\n');
    await write('migrations/1-first.ts', 'export class First {}\n');
    await write('packages/client/src/node.ts', '/** Told. */\nexport const n = 1 as const;\n');
  });
  afterEach(() => rm(checkout, { recursive: true }));

  it('compiles what a server and a browser load, and copies what is JavaScript already', async () => {
    expect(await build()).toBe(0);
    expect(await built()).toEqual(['migrations/1-first.js', 'src/deep/a.worker.js', 'src/main.js']);
    expect(await read('dist/src/main.js')).toBe('export const n = 1;\n');
    expect(await read('dist/src/deep/a.worker.js')).toBe('export  default 1\n');
    expect(await read('packages/client/dist/node.js')).toBe('/** Told. */ export const n = 1;\n');
  });

  it('leaves alone what was made of the same sources', async () => {
    await build();
    const before = await stat(join(checkout, 'dist/.stamp'));
    await write('src/main.ts', await read('src/main.ts'));
    await build();
    expect((await stat(join(checkout, 'dist/.stamp'))).mtimeMs).toBe(before.mtimeMs);
  });

  it.each(['src/main.ts', 'package-lock.json', '.swcrc'])('notices a change of %s', async (path) => {
    await build();
    const before = await read('dist/.stamp');
    await write(path, `${await read(path)}\n`);
    await build();
    expect(await read('dist/.stamp')).not.toBe(before);
  });

  it('removes what has no source any more', async () => {
    await build();
    await rm(join(checkout, 'migrations/1-first.ts'));
    await write('src/other.ts', 'export {};\n');
    await build();
    expect(await built()).toEqual(['src/deep/a.worker.js', 'src/main.js', 'src/other.js']);
  });

  it('fails when a source cannot be read as TypeScript, and leaves what was built before', async () => {
    await build();
    await write('src/main.ts', 'export const = 2;\n');
    expect(await build()).toBe(1);
    expect(await read('dist/src/main.js')).toBe('export const n = 1;\n');
    await write('src/main.ts', 'export const n = 2;\n');
    expect(await build()).toBe(0);
    expect(await read('dist/src/main.js')).toBe('export const n = 2;\n');
  });

  it('says in a line that it cannot write, and who can', async () => {
    await write('dist', 'in the way');
    const { status, stderr } = spawnSync(process.execPath, [join(checkout, 'scripts/build.js')], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^dist cannot be written to \(E\w+: .*\): run `npm run build` as its owner\n$/),
    ]);
  });

  async function build(): Promise<number | null> {
    const [code] = (await once(
      spawn(process.execPath, [join(checkout, 'scripts/build.js')], { stdio: 'ignore' }),
      'exit',
    )) as [number | null];
    return code;
  }

  async function built(): Promise<string[]> {
    const entries = await readdir(join(checkout, 'dist'), { recursive: true });
    return entries.filter((name) => name.endsWith('.js')).sort();
  }

  async function write(path: string, text: string): Promise<void> {
    await mkdir(join(checkout, path, '..'), { recursive: true });
    await writeFile(join(checkout, path), text);
  }

  async function read(path: string): Promise<string> {
    return await readFile(join(checkout, path), 'utf8');
  }
});

describe('the generated files', () => {
  it('are the same in a checkout with any path', async () => {
    const checkout = await mkdtemp(join(tmpdir(), 'mediadock-ü#%25 -'));
    const names = ['src', 'migrations', 'packages/client/src', 'dist', 'packages/client/dist', 'scripts'];
    const files = ['package.json', 'package-lock.json', '.swcrc', '.prettierrc.json', 'openapi.json'];
    for (const name of [...names, ...files, 'nest-cli.json', 'tsconfig.json', 'tsconfig.build.json'])
      await cp(name, join(checkout, name), { recursive: true });
    await symlink(join(process.cwd(), 'node_modules'), join(checkout, 'node_modules'));
    const { status, stderr } = spawnSync(process.execPath, ['scripts/openapi.js', '--check'], {
      cwd: checkout,
      encoding: 'utf8',
    });
    await rm(checkout, { recursive: true });
    expect([stderr, status]).toEqual(['', 0]);
  }, 60_000);
});
