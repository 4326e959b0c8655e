import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blocksOf } from './markdown.js';
import { until } from './until.js';

const DEPLOYING = 'docs/deploying.md';

interface Kind {
  /** Of the Debian package. */
  readonly program: string;
  /** The configuration of docs/deploying.md, on a free port without TLS, to a server. */
  readonly configure: (place: Place) => string;
  readonly command: (config: string) => readonly string[];
}

interface Place {
  readonly dir: string;
  readonly port: number;
  /** Host and port of the server. */
  readonly server: string;
  /** What the page has for this proxy. */
  readonly blocks: readonly string[];
  /** Whether the server is below a path instead of having the whole host. */
  readonly isBelow: boolean;
  readonly files: Files;
}

/** Where files come from: the server, a cache, or the data directory, by what the server says. */
export type Files =
  { readonly from: 'server' | 'cache' } | { readonly from: 'disk'; readonly dataDir: string };

/** The only block with these words. */
function having(words: string, blocks: readonly string[]): string {
  const found = blocks.filter((text) => text.includes(words));
  if (found.length !== 1) throw new Error(`${DEPLOYING} has ${found.length} blocks with ${words}`);
  return found[0] ?? '';
}

const nginx: Kind = {
  program: '/usr/sbin/nginx',
  configure: ({ dir, port, server, blocks, isBelow, files }) => {
    const site = having('upstream mediadock', blocks)
      .replace('127.0.0.1:3000', server)
      .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
      .replace(/^ *ssl_.*\n/gm, '');
    // The same headers as those of the page's first location.
    const headers = /proxy_http_version[^}]*/.exec(site)?.[0] ?? '';
    const below = having('/media-api/', blocks).replace('}', `${headers}}`);
    const moved = isBelow
      ? site.replace(/ {4}location[^]*(?=^}$)/m, below)
      : withFiles(site, dir, blocks, files);
    // The directories here are of whoever runs the tests; nginx started by root would not read them as another user.
    return `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; pid ${dir}/pid; error_log ${dir}/log; events {}
      http { access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy;
      fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
      ${moved} }`;
  },
  command: (config) => ['-c', config, '-e', 'stderr'],
};

const haproxy: Kind = {
  program: '/usr/sbin/haproxy',
  configure: ({ port, server, blocks: [whole = '', below = ''], isBelow }) =>
    whole
      .replace('127.0.0.1:3000', server)
      .replace(/bind .*/, `bind 127.0.0.1:${port}`)
      .replace('X-Forwarded-Proto https', 'X-Forwarded-Proto http')
      .replace(/ {4}default_backend/, isBelow ? `${below}$&` : '$&'),
  command: (config) => ['-db', '-f', config],
};

/** The blocks for a cache take the place of the location for files; that for files on disk is one more. */
function withFiles(site: string, dir: string, blocks: readonly string[], files: Files): string {
  switch (files.from) {
    case 'server':
      return site;
    case 'cache':
      return `${having('proxy_cache_path', blocks).replace('/var/cache/nginx/mediadock', `${dir}/cache`)}
        ${site.replace(/ {4}location ~[^]*?\n {4}}\n/, having('proxy_cache mediadock', blocks))}`;
    case 'disk':
      return site.replace(
        /}\s*$/,
        `${having('internal;', blocks).replace('/var/lib/mediadock/', `${files.dataDir}/`)}}`,
      );
  }
}

export const PROXIES = { nginx, haproxy };

/** Why a proxy cannot be tried here, if so. */
export function missing(name: keyof typeof PROXIES): string | undefined {
  const { program } = PROXIES[name];
  return existsSync(program) ? undefined : `${program} is not installed`;
}

/** A real proxy as docs/deploying.md sets it up. */
export class Proxy {
  private constructor(
    private readonly child: ChildProcess,
    private readonly dir: string,
  ) {}

  /** @param behind address of the server @param url of the proxy; it takes the path of that off requests */
  static async start(
    name: keyof typeof PROXIES,
    behind: string,
    url: string,
    files: Files = { from: 'server' },
  ): Promise<Proxy> {
    const { program, configure, command } = PROXIES[name];
    const page = blocksOf(await readFile(DEPLOYING, 'utf8'));
    const blocks = page.filter(({ language }) => language === name).map(({ text }) => text);
    const dir = await mkdtemp(join(tmpdir(), 'mediadock-proxy-'));
    const { port, pathname } = new URL(url);
    const server = new URL(behind).host;
    const place = { dir, port: Number(port), server, blocks, isBelow: pathname !== '/', files };
    await writeFile(join(dir, 'config'), configure(place));
    const child = spawn(program, command(join(dir, 'config')), { stdio: ['ignore', 'ignore', 'inherit'] });
    const reached = () => fetch(`${url}/health/live`).then(({ status }) => status, String);
    await until(reached, (status) => status === 200);
    return new Proxy(child, dir);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
    await rm(this.dir, { recursive: true, force: true });
  }
}
