import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Environment } from '../src/config/environment.js';
import { blocksOf, commandsOf, matches, rowsOf } from './setup/markdown.js';
import { freePort } from '../scripts/free-port.js';

const ROOT = process.cwd();
const PAGES = ['README.md', 'SECURITY.md', ...inDirectory('docs', '.md')];
/** Those, and the pages for developers. */
const MARKDOWN = [
  ...PAGES,
  ...['ARCHITECTURE', 'CHANGELOG', 'CODE_OF_CONDUCT', 'CONTRIBUTING'].map((name) => `${name}.md`),
].concat(
  ...['decisions', 'crash', 'fuzz', 'packages/client/README.md', 'packages/client/recipes'].map((path) =>
    path.endsWith('.md') ? [path] : inDirectory(path, '.md'),
  ),
);
/** As pages write them, for the addresses of the test. */
const [SERVER, METRICS] = ['http://localhost:3000', 'http://localhost:9464'];

function inDirectory(directory: string, ending: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith(ending)).map((name) => join(directory, name));
}

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

/** As GitHub names them in links. */
function headingsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** They are written for bash, curl and GNU tools. */
const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('the commands of', () => {
  let dataDir: string;
  let server: ChildProcess;
  let url: string;
  let metricsPort: number;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'mediadock-docs-'));
    metricsPort = await freePort();
    const settings = { PORT: '0', LOG_LEVEL: 'silent', METRICS_PORT: String(metricsPort) };
    server = spawn(process.execPath, ['dist/src/main.js'], {
      env: { PATH: process.env['PATH'], DATA_DIR: dataDir, ...settings },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    url = await addressOf(server);
  }, 60_000);

  afterAll(async () => {
    server.kill('SIGTERM');
    await once(server, 'exit');
    await rm(dataDir, { recursive: true });
  });

  describe.each(PAGES.filter((page) => toRun(page).length > 0))('%s', (page) => {
    let directory: string;
    let status: number | null;

    beforeAll(async () => {
      directory = await workplace();
      status = await run(toRun(page).map(({ block }) => here(block.text)));
    }, 120_000);
    afterAll(() => rm(directory, { recursive: true }));

    it.each(toRun(page).map((command, index) => [command.block.line, index] as const))(
      'in line %i do what the page shows',
      async (_, index) => {
        const printed = await readFile(join(directory, `${index}.out`), 'utf8').catch(() => undefined);
        const complaints = await readFile(join(directory, 'complaints'), 'utf8');
        if (!existsSync(join(directory, `${index}.done`)))
          throw new Error(`Ended with ${status}, and before that: ${printed} ${complaints}`);
        const shown = toRun(page)[index]?.answer;
        if (shown !== undefined && !matches(here(shown), printed ?? '')) expect(printed).toBe(here(shown));
      },
    );

    /** All blocks in one shell, as by somebody who pastes them one after another; stops at the first that fails. */
    async function run(scripts: readonly string[]): Promise<number | null> {
      const steps = scripts.map(
        (script, i) => `{\n${script}\n} > ${directory}/${i}.out\n: > ${directory}/${i}.done\n`,
      );
      const complaints = await writeFile(join(directory, 'session.sh'), steps.join('\n')).then(() =>
        join(directory, 'complaints'),
      );
      const shell = spawn('bash', ['-c', `exec 2> ${complaints}; set -eo pipefail; . ./session.sh`], {
        cwd: directory,
        env: { PATH: process.env['PATH'], HOME: directory, DATA_DIR: dataDir, LOG_LEVEL: 'silent' },
        stdio: 'ignore',
      });
      const [code] = (await once(shell, 'exit')) as [number | null];
      return code;
    }
  });

  function here(text: string): string {
    return text.replaceAll(SERVER, url).replaceAll(METRICS, `http://localhost:${metricsPort}`);
  }
});

describe('the pages', () => {
  it('mark what cannot run here, with a reason, and hide no commands behind another language', () => {
    const languages = PAGES.flatMap((page) => blocksOf(read(page)).map(({ language }) => language));
    expect([...new Set(languages)].sort()).toEqual(LANGUAGES);
    const marked = PAGES.flatMap((page) =>
      blocksOf(read(page))
        .filter(({ notRun }) => notRun !== undefined)
        .map(({ notRun, text }) => `${page}: ${text.split('\n')[0]} (${notRun})`),
    );
    expect(marked.sort()).toEqual([...NOT_RUN].sort());
  });

  it('name settings that exist', () => {
    const known = read('.env.example') + read('docker-compose.yml');
    const named = PAGES.flatMap((page) => [...read(page).matchAll(/`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`/g)]);
    expect(named.length).toBeGreaterThan(50);
    expect(named.map(([, name = '']) => name).filter((name) => !known.includes(name))).toEqual([]);
  });

  it('list every setting', () => {
    const listed = read('docs/reference/settings.md');
    const settings = [...read('.env.example').matchAll(/^#?([A-Z][A-Z_0-9]+)=/gm)].map(
      ([, name = '']) => name,
    );
    expect(settings.length).toBeGreaterThan(40);
    expect(settings.filter((name) => !listed.includes(`\`${name}\``))).toEqual([]);
  });

  it('link to pages and headings that exist', () => {
    const broken = MARKDOWN.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)]
        .filter(([, target = '', heading]) => {
          const path = target === '' ? page : join(dirname(page), target);
          return !existsSync(path) || (heading !== undefined && !headingsOf(read(path)).includes(heading));
        })
        .map(([link]) => `${page}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  it('have lines of at most 120 characters, but for tables', () => {
    const long = MARKDOWN.flatMap((page) =>
      read(page)
        .split('\n')
        .map((line, i) => ({ place: `${page}:${i + 1}`, line }))
        .filter(({ line }) => [...line].length > 120 && !line.startsWith('|'))
        .map(({ place }) => place),
    );
    expect(long).toEqual([]);
  });

  it.each(['caddyfile', 'yaml'])('have a proxy (%s) that closes idle connections first', (language) => {
    const examples = blocksOf(read('docs/deploying.md')).filter((block) => block.language === language);
    const seconds = examples.flatMap(
      ({ text }) => /(?:keepalive|idleConnTimeout:) (\d+)s/.exec(text)?.[1] ?? [],
    );
    expect(seconds.map(Number)).toEqual([expect.any(Number)]);
    expect(Number(seconds[0])).toBeLessThan(new Environment().KEEP_ALIVE_SECONDS);
  });

  it('are all linked from the README', () => {
    const readme = read('README.md');
    expect(PAGES.slice(1).filter((page) => !readme.includes(`](${page})`))).toEqual([]);
  });
});

const LANGUAGES = [
  'caddyfile',
  'haproxy',
  'ini',
  'js',
  'json',
  'mermaid',
  'nginx',
  'python',
  'sh',
  'text',
  'yaml',
];

/** Every block that no test runs; whoever adds one has to defend it here. */
const NOT_RUN = [
  'README.md: npm ci && npm start (installs packages and stays in the foreground; npm run smoke does the same on the built server)',
  'README.md: npm ci && npm test (runs the test that would run it)',
  'docs/clients.md: npm ci && npm pack ./packages/client --pack-destination /tmp (packages/client/test/package.spec.ts does the same in a project of its own)',
  'docs/deploying.md: cat > .env <<END (needs Docker)',
  'docs/deploying.md: sudo install -m 600 /dev/stdin /etc/mediadock.env <<END (a system directory, packages from the registry)',
  'docs/deploying.md: sudo systemctl enable --now mediadock (needs systemd)',
  'docs/deploying.md: curl -i https://media.example.org/health/ready (your address, your token)',
  'docs/operations.md: pg_dump --format=custom --file=/backup/mediadock.dump "$DATABASE_URL" (your database, your backup disk)',
  'docs/operations.md: pg_dump --format=custom --file=/backup/mediadock.dump "$DATABASE_URL" (your database, your bucket, your backup disk)',
  'docs/operations.md: pg_restore --clean --if-exists --dbname="$DATABASE_URL" /backup/mediadock.dump (your database, your bucket, your backup disk)',
  'docs/operations.md: pg_restore --clean --if-exists --dbname="$DATABASE_URL" /backup/mediadock.dump (your database, your backup disk)',
  'docs/operations.md: sudo systemd-run --pipe --wait --collect --uid=mediadock -p EnvironmentFile=/etc/mediadock.env \\ (needs systemd, needs Docker)',
  'docs/webhooks.md: npm run webhooks -- list               # the latest events and their deliveries (needs a server with webhooks)',
];

describe('troubleshooting', () => {
  it('has every code that the server can answer, with its status, and no other', () => {
    const listed = rowsOf(read('docs/troubleshooting.md'))
      .filter(([, status = '']) => /^\d{3}(, \d{3})*$/.test(status))
      .map(([code = '', status = '']) => `${code.slice(1, -1)} ${status}`);
    expect(listed.sort()).toEqual(codesInSource());
  });

  it('would notice a class of errors whose code it cannot read', () => {
    const parts = sources().flatMap((source) => source.split(/(?=^(?:export )?class )/m));
    const classes = parts.filter((part) =>
      /^(export )?class \w+ extends (AppError|InvalidRequest)\b/.test(part),
    );
    const unread = classes.filter((part) => codesIn(part).length === 0);
    expect(classes.length).toBeGreaterThan(20);
    expect(unread.map((part) => /class (\w+)/.exec(part)?.[1])).toEqual(['MultipartError']);
  });
});

function sources(): string[] {
  return inDirectory('src', '.ts')
    .filter((path) => !path.endsWith('.spec.ts'))
    .map(read);
}

/** `code status`, and for a code with several statuses `code status, status`. */
function codesInSource(): string[] {
  const statuses = new Map<string, Set<string>>();
  for (const [code, status] of sources().flatMap(codesIn))
    statuses.set(code, (statuses.get(code) ?? new Set()).add(status));
  return [...statuses].map(([code, all]) => `${code} ${[...all].sort().join(', ')}`).sort();
}

function codesIn(source: string): [code: string, status: string][] {
  const found = (pattern: RegExp) => [...source.matchAll(pattern)].map(({ groups = {} }) => groups);
  const words = String.raw`'(?:[^'\\]|\\.)*'`;
  const code = String.raw`'(?<code>[a-z]+(?:-[a-z]+)*)'`;
  return [
    ...found(new RegExp(String.raw`(?:super|new AppError|problem)\(\s*${code},\s*(?<status>\d{3})`, 'g')),
    // Of InvalidRequest, whose status is always 400.
    ...found(new RegExp(String.raw`super\(\s*${words},\s*${words},\s*${code}`, 'g')),
    ...found(new RegExp(String.raw`new InvalidRequest\(\s*${words},\s*(?:\w+|${words}),\s*${code}`, 'g')),
    ...found(new RegExp(String.raw`\bcode = ${code}`, 'g')),
    ...found(new RegExp(String.raw`new MultipartError\(\s*${code}`, 'g')),
    // Tables of those that Node and Nest report.
    ...found(new RegExp(String.raw`\[(?<status>\d{3}), ${code}, ${words}\]`, 'g')),
    ...found(new RegExp(String.raw`^  (?<status>\d{3}): ${code},$`, 'gm')),
  ].map(({ code = '', status = '400' }) => [code, status]);
}

describe('the list of ASVS requirements', () => {
  const rows = rowsOf(read('docs/asvs.md')).filter(([id]) => /^\d+\.\d+\.\d+$/.test(id ?? ''));

  it('names each once, with a test or a reason', () => {
    expect(rows.length).toBeGreaterThan(50);
    expect(new Set(rows.map(([id]) => id)).size).toBe(rows.length);
    const bare = rows.filter(([, gist = '', proof = '']) => gist === '' || proof.length < 8);
    expect(bare).toEqual([]);
  });

  it('names tests that exist', () => {
    const named = rows.flatMap(([id, , proof = '']) =>
      [...proof.matchAll(/`([^`]+\.spec\.ts)`((?:,? “[^”]+”)+)/g)].flatMap(([, file = '', names = '']) =>
        [...names.matchAll(/“([^”]+)”/g)].map(([, name = '']) => ({ id, file, name })),
      ),
    );
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter(({ file, name }) => !hasTest(file, name))).toEqual([]);
  });

  it('names no file of tests without one of its tests', () => {
    const files = rows.flatMap(([, , proof = '']) => proof.match(/\.spec\.ts`(?! “)/g) ?? []);
    expect(files).toEqual([]);
  });
});

/** As the first argument of `it`, `describe` or what their `each` returns. */
function hasTest(file: string, name: string): boolean {
  const escaped = name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return existsSync(file) && new RegExp(`\\(\\s*(['"\`])${escaped}\\1,`).test(read(file));
}

function toRun(page: string) {
  return commandsOf(read(page)).filter(({ block }) => block.notRun === undefined);
}

/** A directory that has what a checkout has, as far as commands need it. */
async function workplace(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'mediadock-page-'));
  for (const name of ['package.json', 'dist', 'scripts'])
    await symlink(join(ROOT, name), join(directory, name));
  return directory;
}

/** Once it says that it listens. */
async function addressOf({ stdout }: ChildProcess): Promise<string> {
  let printed = '';
  for await (const text of stdout ?? []) {
    printed += String(text);
    const [, url] = /(http:\/\/\S+?)\/api\/docs[^]*\seyJ\S+\s/.exec(printed) ?? [];
    if (url) return url;
  }
  throw new Error(`The server ended: ${printed}`);
}
