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
  readonly whole: string;
  /** What the page has for a server below a path; unset: it has the whole host. */
  readonly below: string | undefined;
}

const nginx: Kind = {
  program: '/usr/sbin/nginx',
  configure: ({ dir, port, server, whole, below }) => {
    const site = whole
      .replace('127.0.0.1:3000', server)
      .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
      .replace(/^ *ssl_.*\n/gm, '');
    // The same headers as those of the page's first location.
    const headers = /proxy_http_version[^}]*/.exec(site)?.[0] ?? '';
    const moved = site.replace(/ {4}location[^]*(?=^}$)/m, below?.replace('}', `${headers}}`) ?? '');
    return `daemon off; pid ${dir}/pid; error_log ${dir}/log; events {}
      http { access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy;
      fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
      ${below === undefined ? site : moved} }`;
  },
  command: (config) => ['-c', config, '-e', 'stderr'],
};

const haproxy: Kind = {
  program: '/usr/sbin/haproxy',
  configure: ({ port, server, whole, below = '' }) =>
    whole
      .replace('127.0.0.1:3000', server)
      .replace(/bind .*/, `bind 127.0.0.1:${port}`)
      .replace('X-Forwarded-Proto https', 'X-Forwarded-Proto http')
      .replace(/ {4}default_backend/, `${below}$&`),
  command: (config) => ['-db', '-f', config],
};

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
  static async start(name: keyof typeof PROXIES, behind: string, url: string): Promise<Proxy> {
    const { program, configure, command } = PROXIES[name];
    const blocks = blocksOf(await readFile(DEPLOYING, 'utf8')).filter(({ language }) => language === name);
    const [whole = '', below = ''] = blocks.map(({ text }) => text);
    const dir = await mkdtemp(join(tmpdir(), 'mediadock-proxy-'));
    const { port, pathname } = new URL(url);
    const server = new URL(behind).host;
    const place = { dir, port: Number(port), server, whole, below: pathname === '/' ? undefined : below };
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
