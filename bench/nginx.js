// @ts-check
// nginx, as a peer and in front of this server.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../scripts/free-port.js';

const PAGE = join(dirname(fileURLToPath(import.meta.url)), '..', 'docs', 'deploying.md');

/** nginx with the files of a directory. @param {string} root */
export async function staticNginx(root) {
  return await start((port) => `server { listen 127.0.0.1:${port}; root ${root}; }`);
}

/** nginx with the cache of docs/deploying.md in front of a server. @param {string} behind */
export async function cachingNginx(behind) {
  const page = await readFile(PAGE, 'utf8');
  const [site = '', zone = '', location = ''] = [...page.matchAll(/```nginx\n([^]*?)```/g)].map(
    ([, text = '']) => text,
  );
  const server = new URL(behind).host;
  return await start((port, dir) =>
    `${zone}${site.replace(/ {4}location ~[^]*?\n {4}}\n/, location)}`
      .replace('/var/cache/nginx/mediadock', `${dir}/cache`)
      .replace('127.0.0.1:3000', server)
      .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
      .replace(/^ *ssl_.*\n/gm, ''),
  );
}

/** @param {(port: number, dir: string) => string} configure */
async function start(configure) {
  const dir = await mkdtemp(join(tmpdir(), 'mediadock-bench-nginx-'));
  const port = await freePort();
  await writeFile(
    join(dir, 'nginx.conf'),
    `user root; daemon off; pid ${dir}/pid; error_log ${dir}/error.log; events {}
     http { access_log off; sendfile on; tcp_nopush on; proxy_temp_path ${dir}/proxy; client_body_temp_path ${dir}/body;
     ${configure(port, dir)} }`,
  );
  const child = spawn('/usr/sbin/nginx', ['-c', join(dir, 'nginx.conf')], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(url).catch(() => undefined))) await new Promise((resolve) => setTimeout(resolve, 20));
  const stop = async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await gone;
    await rm(dir, { recursive: true, force: true });
  };
  return { url, stop };
}
