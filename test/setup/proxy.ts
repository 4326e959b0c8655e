import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { documentedSite, Nginx, type Files } from '../../cluster/nginx.js';
import { blocksOf } from './markdown.js';
import { until } from './until.js';

interface Place {
  readonly port: number;
  /** Host and port of the server. */
  readonly server: string;
  /** Whether the server is below a path instead of having the whole host. */
  readonly isBelow: boolean;
  readonly files: Files;
}

/** A proxy that runs. */
export interface Proxy {
  stop(): Promise<void>;
}

const HAPROXY = '/usr/sbin/haproxy';

/** Each as docs/deploying.md sets it up, but without TLS. */
export const PROXIES = {
  nginx: async ({ port, server, ...options }: Place): Promise<Proxy> =>
    await Nginx.start(port, await documentedSite([server], options)),

  haproxy: async ({ port, server, isBelow }: Place): Promise<Proxy> => {
    const page = blocksOf(await readFile('docs/deploying.md', 'utf8'));
    const blocks = page.filter(({ language }) => language === 'haproxy').map(({ text }) => text);
    const [whole = '', below = ''] = blocks;
    const config = whole
      .replace('127.0.0.1:3000', server)
      .replace(/bind .*/, `bind 127.0.0.1:${port}`)
      .replace('X-Forwarded-Proto https', 'X-Forwarded-Proto http')
      .replace(/ {4}default_backend/, isBelow ? `${below}$&` : '$&');
    const dir = await mkdtemp(join(tmpdir(), 'mediadock-haproxy-'));
    await writeFile(join(dir, 'config'), config);
    const child = spawn(HAPROXY, ['-db', '-f', join(dir, 'config')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const exit = once(child, 'exit');
    const stop = async () => {
      child.kill('SIGTERM');
      await exit;
      await rm(dir, { recursive: true, force: true });
    };
    return { stop };
  },
};

/** Why a proxy cannot be tried here, if so. */
export function missing(name: keyof typeof PROXIES): string | undefined {
  if (name === 'nginx') return Nginx.missing;
  return existsSync(HAPROXY) ? undefined : `${HAPROXY} is not installed`;
}

/**
 * Resolves once a real proxy, as docs/deploying.md sets it up, reaches the server.
 * @param behind address of the server @param url of the proxy; it takes the path of that off requests
 */
export async function startProxy(
  name: keyof typeof PROXIES,
  behind: string,
  url: string,
  files: Files = { from: 'server' },
): Promise<Proxy> {
  const { port, pathname } = new URL(url);
  const server = new URL(behind).host;
  const proxy = await PROXIES[name]({ port: Number(port), server, isBelow: pathname !== '/', files });
  const reached = () => fetch(`${url}/health/live`).then(({ status }) => status, String);
  await until(reached, (status) => status === 200);
  return proxy;
}
