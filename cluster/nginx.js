// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const PLACES = ['/usr/sbin/nginx', '/usr/local/bin/nginx', '/opt/homebrew/bin/nginx'];

/** An nginx that hands the requests to some servers in turn, set up as docs/deploying.md says but for TLS. */
export class Nginx {
  /** @param {import('node:child_process').ChildProcess} child */
  constructor(child) {
    this.child = child;
    this.exit = once(child, 'exit');
  }

  /** Why there can be none here; undefined if there can. */
  static get missing() {
    return PLACES.some((path) => existsSync(path)) ? undefined : 'there is no nginx (apt-get install nginx)';
  }

  /** @param {string} directory for its files @param {number} port @param {readonly number[]} servers ports */
  static async start(directory, port, servers) {
    const file = join(directory, 'nginx.conf');
    await writeFile(file, configOf(directory, port, servers));
    const program = PLACES.find((path) => existsSync(path)) ?? 'nginx';
    const command = /** @type {const} */ (['-c', file, '-e', 'stderr']);
    // In a group of its own, where no Ctrl-C stops it before the servers have answered.
    const child = spawn(program, command, {
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    });
    return new Nginx(child);
  }

  async stop() {
    this.child.kill('SIGTERM');
    await this.exit;
  }
}

/** @param {string} directory @param {number} port @param {readonly number[]} servers */
function configOf(directory, port, servers) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${join(directory, `nginx-${name}`)};`,
  );
  return `daemon off;
pid ${join(directory, 'nginx.pid')};
error_log stderr crit;
events {}
http {
  access_log off;
${temporary.join('\n')}
  upstream mediadock {
${servers.map((one) => `    server 127.0.0.1:${one};`).join('\n')}
    keepalive 64;
  }
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 300k;
    client_body_buffer_size 300k;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_read_timeout 30s;
    proxy_max_temp_file_size 0;
    location / {
      proxy_pass http://mediadock;
    }
  }
}
`;
}
